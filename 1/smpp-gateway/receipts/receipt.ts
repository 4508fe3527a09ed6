import type { InboundReceipt } from '../../streams/contracts/receipts.ts'
import type { OperatorProfile } from '../../streams/contracts/operator-profile.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { receiptEventId } from '../../streams/domain/event-id.ts'
import { numberField, textField, type Pdu } from '../smpp/pdu.ts'
import { receiptInstant } from './date.ts'
import { receiptTextOf } from './octets.ts'
import { parseReceiptText, type ReceiptText } from './text.ts'

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

/** A receipt, and an intermediate one (SMPP 3.4 section 5.2.12). */
const ESM_RECEIPT_BITS = 0x04 | 0x20
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
  /** Of the session that the PDU came on, unlike that of any other. */
  readonly session: string
  /** Where id and status are believed [R13]. */
  readonly source: OperatorProfile['receiptSource']
}

/** [R1]. Anything else is a mobile-originated message. */
export const isReceipt = (pdu: Pdu): boolean =>
  (numberField(pdu, 'esm_class') & ESM_RECEIPT_BITS) !== 0 ||
  pdu.tlvs.has(TAG.receiptedMessageId) ||
  pdu.tlvs.has(TAG.messageState) ||
  textIn(pdu).read.isStrict

/**
 * The event `sms.dlr.inbound` of a receipt ([R2] to [R5]). Without a readable id or status the
 * field is the empty string, which its schema refuses. The event then ends in the dead-letter topic
 * with all its content instead of being lost [R7].
 */
export function readReceipt(pdu: Pdu, context: ReceiptContext): InboundReceipt {
  const { text, read } = textIn(pdu)
  const [operatorMessageId = '', ...alternateIds] = idsOf(pdu, read, context)
  const stat = statusOf(pdu, read, context).slice(0, WORD_CHARS_MAX)
  const errorCode = read.err ?? networkError(pdu)
  const { operatorId, receivedAt, session } = context
  const rawPayload = rawPayloadOf(pdu, text)
  const isNamed = operatorMessageId !== ''
  const unnamed = isNamed
    ? {}
    : { unnamed: { session, sequence: pdu.sequence, payload: JSON.stringify(rawPayload) } }
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: receiptEventId({ operatorId, operatorMessageId, stat, receivedAt, ...unnamed }),
    occurredAt: receivedAt,
    operatorId,
    operatorMessageId,
    ...(alternateIds.length > 0 && { alternateIds }),
    stat,
    ...(errorCode !== undefined && { errorCode: errorCode.slice(0, WORD_CHARS_MAX) }),
    deliveredAt: deliveredAt(read, context),
    receivedAt,
    ...addresses(pdu),
    rawPayload,
  }
}

const deliveredAt = ({ doneDate }: ReceiptText, { timeZone, receivedAt }: ReceiptContext): string | null =>
  doneDate === undefined ? null : receiptInstant(doneDate, timeZone, Date.parse(receivedAt))

interface FoundText {
  readonly text: string
  readonly read: ReceiptText
}

/**
 * The text: from short_message or message_payload, whichever holds one [R5], without a user data
 * header. An operator may set the header's bit and send none, so the whole is read as well.
 */
function textIn(pdu: Pdu): FoundText {
  const short = pdu.fields['short_message']
  const given = [Buffer.isBuffer(short) ? short : EMPTY, pdu.tlvs.get(TAG.messagePayload) ?? EMPTY]
  const hasHeader = (numberField(pdu, 'esm_class') & ESM_UDH) !== 0
  const octets = given.filter(({ length }) => length > 0)
  const candidates = octets.flatMap((whole) =>
    hasHeader ? [whole.subarray((whole[0] ?? 0) + 1), whole] : [whole],
  )
  const texts = candidates.map((candidate): FoundText => {
    const text = receiptTextOf(candidate, numberField(pdu, 'data_coding'))
    return { text, read: parseReceiptText(text) }
  })
  const said = texts.find(({ read }) => read.id !== undefined || read.stat !== undefined)
  return said ?? texts[0] ?? NO_TEXT
}

const EMPTY = Buffer.alloc(0)
const NO_TEXT: FoundText = { text: '', read: { isStrict: false } }

type Source = Pick<ReceiptContext, 'source'>

/** The TLV's id first, the text's when it is another one [R2]. */
function idsOf(pdu: Pdu, read: ReceiptText, { source }: Source): readonly string[] {
  const value = source === 'text' ? undefined : pdu.tlvs.get(TAG.receiptedMessageId)
  const tlv = value?.toString('latin1').replace(/\0.*$/s, '').trim()
  const ids = [tlv, source === 'tlv' ? undefined : read.id].filter(
    (id): id is string => id !== undefined && id !== '',
  )
  const [first, ...others] = new Set(ids.map((id) => id.slice(0, ID_CHARS_MAX + 1)))
  // One that is too long is refused with its receipt when it is the only one, and dropped
  // otherwise.
  return first === undefined ? [] : [first, ...others.filter((id) => id.length <= ID_CHARS_MAX)]
}

const statusOf = (pdu: Pdu, read: ReceiptText, { source }: Source): string =>
  (source === 'text' ? undefined : stateOf(pdu)) ?? (source === 'tlv' ? undefined : read.stat) ?? ''

/** One octet; some operators fill in two, or an ASCII digit. */
function stateOf(pdu: Pdu): string | undefined {
  const value = pdu.tlvs.get(TAG.messageState)
  if (value === undefined) return undefined
  const state = value.at(-1) ?? 0
  return STATE_WORD[state] ?? STATE_WORD[state - ASCII_ZERO]
}

const ASCII_ZERO = 0x30

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
