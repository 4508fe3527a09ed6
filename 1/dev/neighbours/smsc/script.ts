import { STATUS } from './pdu.ts'

/**
 * The operator's behaviour, chosen by the last three digits of the destination. 000 to 899, and any
 * number of 900 to 999 that is not below, is *delivered*: one receipt DELIVRD per segment, so
 * ordinary numbers need no thought. "First n tries" counts the times that the same segment
 * (destination, reference, index, text) arrives. `SCENARIOS` is the table; `GET /scenarios` prints
 * it.
 *
 * Receipts carry TLVs and text at once, unless the row says otherwise, and come 20 to 50 ms after
 * the response (option receiptDelayMs).
 */
export interface Scenario {
  /** Last three digits. */
  readonly digits: string
  readonly name: string
  readonly summary: string
  readonly answer: Answer
  readonly ids: 'decimal' | 'hex'
  readonly receipts: readonly ReceiptStep[]
}

/** What happens to a submit_sm; after `tries` of it the segment is accepted like any other. */
export type Answer =
  | { readonly kind: 'accept' }
  /**
   * submit_sm_resp, or generic_nack, with the status; `segment` limits it to one part of a long
   * message.
   */
  | {
      readonly kind: 'refuse'
      readonly status: number
      readonly tries: number
      readonly nack?: true
      readonly segment?: number
    }
  /**
   * Taken, receipts follow, but no response; `late`: the response comes after option
   * lateResponseMs.
   */
  | { readonly kind: 'silent'; readonly tries: number; readonly late?: true }
  /** Taken, and answered ESME_ROK without a message_id. */
  | { readonly kind: 'anonymous'; readonly tries: number }
  /**
   * The connection is cut before (`taken` false) or after the message is taken, and no response is
   * sent.
   */
  | { readonly kind: 'hang-up'; readonly tries: number; readonly taken: boolean }

export type Stat =
  | 'DELIVRD'
  | 'UNDELIV'
  | 'REJECTD'
  | 'EXPIRED'
  | 'DELETED'
  | 'FAILED'
  | 'ACCEPTD'
  | 'UNKNOWN'
  | 'ENROUTE'

export interface ReceiptStep {
  readonly stat: Stat
  readonly err: string
  /**
   * with-response: before the response, in the same write. Second follows the first; next-minute is
   * 61 s, slow is 5 s (options).
   */
  readonly when: 'with-response' | 'first' | 'second' | 'third' | 'next-minute' | 'slow'
  readonly form: 'both' | 'tlv' | 'text' | 'payload' | 'ucs2' | 'odd-text' | 'mobile-originated'
  readonly id: 'same' | 'padded-decimal' | 'upper-case' | 'foreign' | 'none'
  readonly segments: 'all' | 'first' | 'others' | 'last'
}

const ALWAYS = Infinity
const ERR: Readonly<Record<Stat, string>> = {
  DELIVRD: '000',
  UNDELIV: '011',
  REJECTD: '099',
  EXPIRED: '027',
  DELETED: '012',
  FAILED: '050',
  ACCEPTD: '000',
  UNKNOWN: '001',
  ENROUTE: '000',
}

const receipt = (stat: Stat, change: Partial<ReceiptStep> = {}): ReceiptStep => ({
  stat,
  err: ERR[stat],
  when: 'first',
  form: 'both',
  id: 'same',
  segments: 'all',
  ...change,
})

const DELIVERED = [receipt('DELIVRD')]
const ACCEPT: Answer = { kind: 'accept' }

const row = (digits: string, name: string, summary: string, change: Partial<Scenario> = {}): Scenario => ({
  digits,
  name,
  summary,
  answer: ACCEPT,
  ids: 'decimal',
  receipts: DELIVERED,
  ...change,
})

const ends = (digits: string, stat: Stat): Scenario =>
  row(digits, stat.toLowerCase(), `receipt ${stat}`, { receipts: [receipt(stat)] })

const refusal = (digits: string, name: string, status: number, tries: number): Scenario =>
  row(digits, name, `status 0x${status.toString(16).padStart(2, '0')} ${times(tries)}`, {
    answer: { kind: 'refuse', status, tries },
  })

const times = (tries: number): string =>
  tries === ALWAYS ? 'always' : `for the first ${tries} tries, then delivered`

const form = (digits: string, name: string, summary: string, change: Partial<ReceiptStep>): Scenario =>
  row(digits, name, summary, { receipts: [receipt('DELIVRD', change)] })

export const DEFAULT_SCENARIO = row('---', 'delivered', 'receipt DELIVRD')

export const SCENARIOS: readonly Scenario[] = [
  // Ends of a message
  row('900', 'delivered', 'receipt DELIVRD'),
  ends('901', 'UNDELIV'),
  refusal('902', 'refused', STATUS.RINVDSTADR, ALWAYS),
  ends('903', 'REJECTD'),
  ends('904', 'EXPIRED'),
  ends('905', 'DELETED'),
  ends('906', 'FAILED'),
  row('907', 'acceptd-first', 'receipt ACCEPTD, then DELIVRD', {
    receipts: [receipt('ACCEPTD'), receipt('DELIVRD', { when: 'second' })],
  }),
  row('908', 'unknown-first', 'receipt UNKNOWN, then UNDELIV', {
    receipts: [receipt('UNKNOWN'), receipt('UNDELIV', { when: 'second' })],
  }),
  row('909', 'enroute-first', 'receipt ENROUTE, then DELIVRD', {
    receipts: [receipt('ENROUTE'), receipt('DELIVRD', { when: 'second' })],
  }),
  // Repetition, order, identity
  row('910', 'duplicate', 'the same receipt twice within a minute', {
    receipts: [receipt('DELIVRD'), receipt('DELIVRD', { when: 'second' })],
  }),
  row('911', 'duplicate-later', 'the same receipt again 61 s later', {
    receipts: [receipt('DELIVRD'), receipt('DELIVRD', { when: 'next-minute' })],
  }),
  row('912', 'contradiction', 'receipt DELIVRD, then UNDELIV', {
    receipts: [receipt('DELIVRD'), receipt('UNDELIV', { when: 'second' })],
  }),
  form('913', 'receipt-first', 'receipt before the response, in the same TCP segment', {
    when: 'with-response',
  }),
  row('914', 'hex-decimal', 'response id in hex, receipt id in decimal with leading zeros', {
    ids: 'hex',
    receipts: [receipt('DELIVRD', { id: 'padded-decimal' })],
  }),
  row('915', 'upper-case', 'response id in lower-case hex, receipt id in upper case', {
    ids: 'hex',
    receipts: [receipt('DELIVRD', { id: 'upper-case' })],
  }),
  row('916', 'no-receipt', 'no receipt ever', { receipts: [] }),
  form('917', 'orphan', 'one receipt, for an id that nobody knows', { id: 'foreign' }),
  row('918', 'orphan-too', 'a receipt for an unknown id, then the right one', {
    receipts: [receipt('DELIVRD', { id: 'foreign' }), receipt('DELIVRD', { when: 'second' })],
  }),
  row('919', 'mixed', 'segment 1 DELIVRD, the others UNDELIV', {
    receipts: [receipt('DELIVRD', { segments: 'first' }), receipt('UNDELIV', { segments: 'others' })],
  }),
  form('920', 'last-only', 'a receipt for the last segment only', { segments: 'last' }),
  // Forms of a receipt
  form('921', 'tlv-only', 'id and state in TLVs, no text', { form: 'tlv' }),
  form('922', 'text-only', 'text, no TLVs', { form: 'text' }),
  form('923', 'payload', 'text in message_payload, no id or state TLV', { form: 'payload' }),
  form('925', 'ucs2-text', 'text in UCS-2, no TLVs', { form: 'ucs2' }),
  form('926', 'odd-text', 'keys in mixed case and another order, dates with seconds, no sub and dlvrd', {
    form: 'odd-text',
  }),
  form('927', 'no-id', 'receipt without any id', { id: 'none' }),
  row('928', 'mobile-originated', 'a message from the subscriber (STOP), then the receipt', {
    receipts: [receipt('DELIVRD', { form: 'mobile-originated' }), receipt('DELIVRD', { when: 'second' })],
  }),
  form('929', 'slow', 'receipt after 5 s', { when: 'slow' }),
  // Refusals that pass, and others
  refusal('930', 'throttled', STATUS.RTHROTTLED, 3),
  refusal('931', 'queue-full', STATUS.RMSGQFUL, 3),
  refusal('932', 'system-error-once', STATUS.RSYSERR, 1),
  refusal('933', 'system-error', STATUS.RSYSERR, ALWAYS),
  refusal('934', 'submit-failed', STATUS.RSUBMITFAIL, ALWAYS),
  refusal('935', 'wrong-bind-state', STATUS.RINVBNDSTS, 1),
  row('936', 'nack', 'generic_nack 0x03 always', {
    answer: { kind: 'refuse', status: STATUS.RINVCMDID, tries: ALWAYS, nack: true },
  }),
  row('937', 'nack-once', 'generic_nack 0x08 for the first try, then delivered', {
    answer: { kind: 'refuse', status: STATUS.RSYSERR, tries: 1, nack: true },
  }),
  row('938', 'anonymous', 'taken, but ESME_ROK without message_id for the first try', {
    answer: { kind: 'anonymous', tries: 1 },
  }),
  refusal('939', 'payload-refused', STATUS.ROPTPARNOTALLWD, ALWAYS),
  // Lost answers and lines
  row('940', 'lost-response', 'taken, no response to the first try', {
    answer: { kind: 'silent', tries: 1 },
  }),
  row('941', 'never-answered', 'taken, never a response', { answer: { kind: 'silent', tries: ALWAYS } }),
  row('942', 'late-response', 'taken, the first response comes after 35 s', {
    answer: { kind: 'silent', tries: 1, late: true },
  }),
  row('943', 'cut-before', 'connection cut before the message is taken, first try', {
    answer: { kind: 'hang-up', tries: 1, taken: false },
  }),
  row('944', 'cut-after', 'message taken, then the connection cut without a response, first try', {
    answer: { kind: 'hang-up', tries: 1, taken: true },
  }),
  row('945', 'torn', 'segment 2 refused with 0x0b, the others delivered', {
    answer: { kind: 'refuse', status: STATUS.RINVDSTADR, tries: ALWAYS, segment: 2 },
  }),
  row('946', 'black-hole', 'taken, never a response, no receipt', {
    answer: { kind: 'silent', tries: ALWAYS },
    receipts: [],
  }),
]

const BY_DIGITS: ReadonlyMap<string, Scenario> = new Map(SCENARIOS.map((each) => [each.digits, each]))

/** `destination` in digits, with or without plus. */
export const scenarioFor = (destination: string): Scenario =>
  BY_DIGITS.get(destination.slice(-3)) ?? DEFAULT_SCENARIO
