/**
 * Command ids, status codes, the header, and the framing of a byte stream into PDUs (SMPP 3.4
 * sections 3.2, 5.1).
 */
export const COMMAND = {
  generic_nack: 0x80000000,
  bind_receiver: 0x01,
  bind_transmitter: 0x02,
  submit_sm: 0x04,
  deliver_sm: 0x05,
  unbind: 0x06,
  bind_transceiver: 0x09,
  enquire_link: 0x15,
} as const

/** A response carries the id of its request with the top bit set. */
export const responseTo = (commandId: number): number => (commandId | 0x80000000) >>> 0

/** SMPP 3.4 section 5.1.3. */
export const STATUS = {
  ROK: 0x00,
  RINVMSGLEN: 0x01,
  RINVCMDLEN: 0x02,
  RINVCMDID: 0x03,
  RINVBNDSTS: 0x04,
  RALYBND: 0x05,
  RINVREGDLVFLG: 0x07,
  RSYSERR: 0x08,
  RINVSRCADR: 0x0a,
  RINVDSTADR: 0x0b,
  RBINDFAIL: 0x0d,
  RINVPASWD: 0x0e,
  RINVSYSID: 0x0f,
  RMSGQFUL: 0x14,
  RINVESMCLASS: 0x43,
  RSUBMITFAIL: 0x45,
  RINVSRCTON: 0x48,
  RINVSRCNPI: 0x49,
  RINVDSTTON: 0x50,
  RINVDSTNPI: 0x51,
  RTHROTTLED: 0x58,
  RINVEXPIRY: 0x62,
  RX_T_APPN: 0x64,
  RINVOPTPARSTREAM: 0xc0,
  ROPTPARNOTALLWD: 0xc1,
} as const

export interface Pdu {
  readonly commandId: number
  readonly status: number
  readonly sequence: number
  readonly body: Buffer
}

export const HEADER_BYTES = 16
/** Room for a message_payload of 64 KiB and every other field. */
export const PDU_BYTES_MAX = 70_000
const EMPTY = Buffer.alloc(0)

export function encodePdu(commandId: number, status: number, sequence: number, body: Buffer = EMPTY): Buffer {
  const octets = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  octets.writeUInt32BE(octets.length, 0)
  octets.writeUInt32BE(commandId, 4)
  octets.writeUInt32BE(status, 8)
  octets.writeUInt32BE(sequence, 12)
  body.copy(octets, HEADER_BYTES)
  return octets
}

export interface Framed {
  readonly pdus: readonly Pdu[]
  /** A command_length below 16 or above the limit: the stream cannot be followed any more. */
  readonly lost: boolean
}

/** Cuts a byte stream, split anywhere, into PDUs. */
export class Framer {
  #rest: Buffer = EMPTY

  push(chunk: Buffer): Framed {
    const octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const pdus: Pdu[] = []
    let at = 0
    while (octets.length - at >= 4) {
      const length = octets.readUInt32BE(at)
      if (length < HEADER_BYTES || length > PDU_BYTES_MAX) return { pdus, lost: true }
      if (octets.length - at < length) break
      pdus.push(decodePdu(octets.subarray(at, at + length)))
      at += length
    }
    this.#rest = octets.subarray(at)
    return { pdus, lost: false }
  }
}

const decodePdu = (octets: Buffer): Pdu => ({
  commandId: octets.readUInt32BE(4),
  status: octets.readUInt32BE(8),
  sequence: octets.readUInt32BE(12),
  body: octets.subarray(HEADER_BYTES),
})
