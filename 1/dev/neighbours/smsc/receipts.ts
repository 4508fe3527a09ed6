import { encodeUcs2 } from '../../../streams/domain/message/gsm7.ts'
import type { Address, ShortMessage } from './bodies.ts'
import { cString, TAG, type Tlvs } from './fields.ts'
import type { ReceiptStep, Stat } from './script.ts'

/** A segment that the operator has taken. */
export interface Taken {
  /** As the response gave it. */
  readonly messageId: string
  readonly source: Address
  readonly destination: Address
  readonly text: string
  readonly takenAtMs: number
}

export interface Receipt {
  /** Empty when the receipt names none. */
  readonly id: string
  readonly stat: Stat | 'MO'
  readonly message: ShortMessage
}

/** SMPP 3.4 section 5.2.28; FAILED has no number and can stand in the text only. */
const MESSAGE_STATE: Readonly<Record<Stat, number | undefined>> = {
  ENROUTE: 1,
  DELIVRD: 2,
  EXPIRED: 3,
  DELETED: 4,
  UNDELIV: 5,
  ACCEPTD: 6,
  UNKNOWN: 7,
  REJECTD: 8,
  FAILED: undefined,
}
const RECEIPT = 0x04
const UCS2 = 0x08
const NETWORK_GSM = 3
const EXCERPT_CHARACTERS = 20
const NO_OCTETS = Buffer.alloc(0)
const NO_TLVS: Tlvs = new Map()

/**
 * The deliver_sm of one step of a scenario: from the subscriber to the sender (SMPP 3.4 appendix
 * B).
 */
export function renderReceipt(step: ReceiptStep, taken: Taken, nowMs: number): Receipt {
  if (step.form === 'mobile-originated') return mobileOriginated(taken)
  const id = ID_FORMS[step.id](taken.messageId)
  const text = receiptText(step, id, taken, nowMs)
  const message = deliver(taken, RECEIPT, contentOf(step, id, text))
  return { id, stat: step.stat, message }
}

type Content = Pick<ShortMessage, 'octets' | 'dataCoding' | 'tlvs'>

function contentOf(step: ReceiptStep, id: string, text: string): Content {
  const octets = Buffer.from(text, 'latin1')
  if (step.form === 'payload')
    return { octets: NO_OCTETS, dataCoding: 0, tlvs: new Map([[TAG.message_payload, octets]]) }
  if (step.form === 'ucs2') return { octets: encodeUcs2(text), dataCoding: UCS2, tlvs: NO_TLVS }
  if (step.form === 'tlv') return { octets: NO_OCTETS, dataCoding: 0, tlvs: tlvsOf(step, id) }
  return { octets, dataCoding: 0, tlvs: step.form === 'both' ? tlvsOf(step, id) : NO_TLVS }
}

function tlvsOf(step: ReceiptStep, id: string): Tlvs {
  const tlvs = new Map<number, Buffer>()
  if (id !== '') tlvs.set(TAG.receipted_message_id, cString(id))
  const state = MESSAGE_STATE[step.stat]
  if (state !== undefined) tlvs.set(TAG.message_state, Buffer.of(state))
  const code = Number(step.err)
  tlvs.set(TAG.network_error_code, Buffer.of(NETWORK_GSM, code >> 8, code & 0xff))
  return tlvs
}

function receiptText(step: ReceiptStep, id: string, taken: Taken, nowMs: number): string {
  const stampLength = step.form === 'odd-text' ? 12 : 10
  const submitted = stamp(taken.takenAtMs, stampLength)
  const done = stamp(nowMs, stampLength)
  if (step.form === 'odd-text')
    return `Stat:${step.stat} ERR:${step.err} ID:${id} Done Date:${done} submit date:${submitted} Text:`
  const named = id === '' ? '' : `id:${id} `
  const delivered = step.stat === 'DELIVRD' ? '001' : '000'
  const dates = `submit date:${submitted} done date:${done}`
  // UCS-2 takes two octets a character, and the whole has to stay below 255.
  const excerpt = step.form === 'ucs2' ? '' : excerptOf(taken.text)
  return `${named}sub:001 dlvrd:${delivered} ${dates} stat:${step.stat} err:${step.err} text:${excerpt}`
}

/** Letters, digits and spaces have the same octets in every alphabet. */
const excerptOf = (text: string): string => text.slice(0, EXCERPT_CHARACTERS).replace(/[^A-Za-z0-9 ]/g, '.')

/** YYMMDDhhmm or YYMMDDhhmmss, in UTC. */
const stamp = (ms: number, length: number): string =>
  new Date(ms)
    .toISOString()
    .replace(/\D/g, '')
    .slice(2, 2 + length)

/** From the id of the response to the id of the receipt. */
const ID_FORMS: Readonly<Record<ReceiptStep['id'], (messageId: string) => string>> = {
  same: (messageId) => messageId,
  'padded-decimal': (messageId) => `000${BigInt(`0x${messageId}`)}`,
  'upper-case': (messageId) => messageId.toUpperCase(),
  foreign: (messageId) => `404${messageId}`,
  none: () => '',
}

const mobileOriginated = (taken: Taken): Receipt => ({
  id: '',
  stat: 'MO',
  message: deliver(taken, 0, { octets: Buffer.from('STOP', 'latin1'), dataCoding: 0, tlvs: NO_TLVS }),
})

const deliver = (taken: Taken, esmClass: number, content: Content): ShortMessage => ({
  serviceType: '',
  source: taken.destination,
  destination: taken.source,
  esmClass,
  protocolId: 0,
  priority: 0,
  scheduleTime: '',
  validityPeriod: '',
  registeredDelivery: 0,
  replaceIfPresent: 0,
  defaultMessageId: 0,
  ...content,
})
