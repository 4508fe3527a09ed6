import type { InboundReceipt } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { receiptEventId } from '../../streams/domain/event-id.ts'
import { numberField, textField, type Pdu } from '../smpp/pdu.ts'
import { receiptInstant } from './date.ts'
import { parseReceiptText, receiptTextOf, type ReceiptText } from './text.ts'

/** Optional parameters of a receipt (SMPP 3.4 section 5.3.2). */
const TAG = {
  receiptedMessageId: 0x001e,
  networkErrorCode: 0x0423,
  messagePayload: 0x0424,
  messageState: 0x0427,
} as const

/** SMPP 3.4 section 5.2.28, in the words of Appendix B [R2]. */
const STATE_WORD: Readonly<Record<number, string>> = {
  1: 'ENROUTE',
  2: 'DELIVRD',
  3: 'EXPIRED',
  4: 'DELETED',
  5: 'UNDELIV',
  6: 'ACCEPTD',
  7: 'UNKNOWN',
  8: 'REJECTD',
}

/** Bits 5 to 2 of esm_class tell receipts from other short messages (SMPP 3.4 section 5.2.12). */
const ESM_TYPE_BITS = 0x3c
const ESM_RECEIPT = 0x04
const ESM_UDH = 0x40
const TON_INTERNATIONAL = 1
const ID_CHARS_MAX = 64
const WORD_CHARS_MAX = 32

export interface ReceiptContext {
  /** Operator of the session that the PDU came on [R9]. */
  readonly operatorId: string
  /** ISO 8601 UTC with milliseconds. */
  readonly receivedAt: string
  /** IANA zone that the operator writes its dates in. */
  readonly timeZone: string
}

/** [R1], as yet by these two marks only. Anything else is a mobile-originated message. */
export const isReceipt = (pdu: Pdu): boolean =>
  (numberField(pdu, 'esm_class') & ESM_TYPE_BITS) === ESM_RECEIPT || pdu.tlvs.has(TAG.receiptedMessageId)

/**
 * The event `sms.dlr.inbound` of a receipt ([R2] to [R5]). Without a readable id or status the
 * field is the empty string, which its schema refuses. The event then ends in the dead-letter topic
 * with all its content instead of being lost [R7]. As yet receipts without an id that share
 * millisecond and status share an event id too, and one of them remains.
 */
export function readReceipt(pdu: Pdu, context: ReceiptContext): InboundReceipt {
  const text = receiptTextOf(octetsOf(pdu), numberField(pdu, 'data_coding'))
  const read = parseReceiptText(text)
  const operatorMessageId = (idOf(pdu) ?? read.id ?? '').slice(0, ID_CHARS_MAX + 1)
  const stat = (stateOf(pdu) ?? read.stat ?? '').slice(0, WORD_CHARS_MAX)
  const errorCode = read.err ?? networkError(pdu)
  const { operatorId, receivedAt } = context
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: receiptEventId({ operatorId, operatorMessageId, stat, receivedAt }),
    occurredAt: receivedAt,
    operatorId,
    operatorMessageId,
    stat,
    ...(errorCode !== undefined && { errorCode: errorCode.slice(0, WORD_CHARS_MAX) }),
    deliveredAt: deliveredAt(read, context.timeZone),
    receivedAt,
    ...addresses(pdu),
    rawPayload: rawPayloadOf(pdu, text),
  }
}

const deliveredAt = ({ doneDate }: ReceiptText, timeZone: string): string | null =>
  doneDate === undefined ? null : receiptInstant(doneDate, timeZone)

/**
 * The text itself: from short_message, else from message_payload [R5], without a user data header.
 */
function octetsOf(pdu: Pdu): Buffer {
  const short = pdu.fields['short_message']
  const given = Buffer.isBuffer(short) && short.length > 0 ? short : pdu.tlvs.get(TAG.messagePayload)
  if (given === undefined) return Buffer.alloc(0)
  const hasHeader = (numberField(pdu, 'esm_class') & ESM_UDH) !== 0
  return hasHeader ? given.subarray((given[0] ?? 0) + 1) : given
}

function idOf(pdu: Pdu): string | undefined {
  const id = pdu.tlvs.get(TAG.receiptedMessageId)?.toString('latin1').replace(/\0.*$/s, '').trim()
  return id === '' ? undefined : id
}

function stateOf(pdu: Pdu): string | undefined {
  const state = pdu.tlvs.get(TAG.messageState)?.[0]
  return state === undefined ? undefined : STATE_WORD[state]
}

/**
 * One octet of network type and two of code (SMPP 3.4 section 5.3.2.31); some operators fill in
 * three ASCII digits.
 */
function networkError(pdu: Pdu): string | undefined {
  const value = pdu.tlvs.get(TAG.networkErrorCode)
  if (value === undefined || value.length !== 3) return undefined
  const ascii = value.toString('latin1')
  return /^\d{3}$/.test(ascii) ? ascii : String(value.readUInt16BE(1)).padStart(3, '0')
}

/**
 * A receipt travels backwards: its source is the phone that the message went to. As yet the event
 * has it as destAddr [R12].
 */
function addresses(pdu: Pdu): { sourceAddr?: string; destAddr?: string } {
  const phone = addressOf(pdu, 'source_addr')
  const sender = addressOf(pdu, 'dest_addr', 'destination_addr')
  return { ...(sender !== '' && { sourceAddr: sender }), ...(phone !== '' && { destAddr: phone }) }
}

/** International numbers travel without their plus (SMPP 3.4 section 5.2.5). */
function addressOf(pdu: Pdu, prefix: string, name = prefix): string {
  const address = textField(pdu, name)
  const isInternational = numberField(pdu, `${prefix}_ton`) === TON_INTERNATIONAL
  return isInternational && /^\d+$/.test(address) ? `+${address}` : address
}

const rawPayloadOf = (pdu: Pdu, text: string): Record<string, unknown> => ({
  text,
  esmClass: numberField(pdu, 'esm_class'),
  dataCoding: numberField(pdu, 'data_coding'),
  tlvs: Object.fromEntries(
    [...pdu.tlvs].map(([tag, value]) => [`0x${tag.toString(16).padStart(4, '0')}`, value.toString('hex')]),
  ),
})
