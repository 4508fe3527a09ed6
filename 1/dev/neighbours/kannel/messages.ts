/**
 * The messages between Kannel's bearerbox and its boxes: a count of octets, a type, then the fields
 * in order. As the Debian package 1.4.5-12 speaks it; upstream added fields now and then.
 */

type Value = string | number | undefined
export type Fields = Readonly<Record<string, Value>>

export const TYPE = { admin: 1, sms: 2, ack: 3 } as const
export type MessageType = (typeof TYPE)[keyof typeof TYPE]

/** A number is four octets, a text its length and its octets; -1 says that there is none. */
const NUMBER = 'number'
const TEXT = 'text'
const ABSENT = -1

const texts = (...names: readonly string[]) => names.map((name) => [name, TEXT] as const)
const numbers = (...names: readonly string[]) => names.map((name) => [name, NUMBER] as const)

const LAYOUT = {
  [TYPE.admin]: [...numbers('command'), ...texts('boxc_id')],
  [TYPE.sms]: [
    ...texts('sender', 'receiver', 'udhdata', 'msgdata'),
    ...numbers('time'),
    ...texts('smsc_id', 'smsc_number', 'foreign_id', 'service', 'account', 'id'),
    ...numbers('sms_type', 'mclass', 'mwi', 'coding', 'compress', 'validity', 'deferred', 'dlr_mask'),
    ...texts('dlr_url'),
    ...numbers('pid', 'alt_dcs', 'rpi'),
    ...texts('charset', 'boxc_id', 'binfo'),
    ...numbers('msg_left', 'priority', 'resend_try', 'resend_time'),
    ...texts('meta_data'),
  ],
  [TYPE.ack]: [...numbers('nack', 'time'), ...texts('id')],
} as const

export interface Message {
  readonly type: MessageType
  readonly fields: Fields
}

const numberOctets = (value: number): Buffer => {
  const octets = Buffer.allocUnsafe(4)
  octets.writeInt32BE(value)
  return octets
}

export function packed(type: MessageType, fields: Fields): Buffer {
  const parts = [numberOctets(type)]
  for (const [name, kind] of LAYOUT[type]) {
    const value = fields[name]
    if (kind === NUMBER) parts.push(numberOctets(typeof value === 'number' ? value : ABSENT))
    else if (value === undefined) parts.push(numberOctets(ABSENT))
    else {
      const octets = Buffer.from(String(value))
      parts.push(numberOctets(octets.length), octets)
    }
  }
  const body = Buffer.concat(parts)
  return Buffer.concat([numberOctets(body.length), body])
}

/** Undefined for a type that a box need not know. */
export function unpacked(body: Buffer): Message | undefined {
  const type = Object.values(TYPE).find((known) => known === body.readInt32BE(0))
  if (type === undefined) return undefined
  const fields: Record<string, Value> = {}
  let at = 4
  for (const [name, kind] of LAYOUT[type]) {
    const value = body.readInt32BE(at)
    at += 4
    if (kind === NUMBER) fields[name] = value
    else if (value >= 0) {
      fields[name] = body.toString('utf8', at, at + value)
      at += value
    }
  }
  return { type, fields }
}

/** Cuts a stream into the bodies of messages. */
export class MessageFramer {
  #rest: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): readonly Buffer[] {
    const octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const bodies: Buffer[] = []
    let at = 0
    while (at + 4 <= octets.length && at + 4 + octets.readInt32BE(at) <= octets.length) {
      const end = at + 4 + octets.readInt32BE(at)
      bodies.push(octets.subarray(at + 4, end))
      at = end
    }
    this.#rest = octets.subarray(at)
    return bodies
  }
}
