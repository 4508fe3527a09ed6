import type { Receipt, ReceiptFact, Submission } from '../../streams/contracts/receipts.ts'
import { isTerminal } from '../../streams/domain/receipt/aggregate.ts'
import { receiptRowId } from '../../streams/domain/event-id.ts'
import { isStale } from '../../streams/domain/receipt/quarantine.ts'
import { loggableId } from '../../streams/domain/receipt/subscriber.ts'
import {
  GRACE_MS,
  RECEIPTS_MAX,
  asAccepted,
  segmentOf,
  withSegment,
  type Aggregate,
  type Outcome,
  type Segment,
  type Taken,
} from './aggregate.ts'
import { evaluated, keep, tellOutcome, type AggregationRules, type SegmentsScope } from './closing.ts'
import { openedByReceipt, withSubmitted } from './opening.ts'
import { operatorOf, segmentOutcomes, webhookEvent } from './outcome-events.ts'
import { lateRecord, messageOutcome, quarantinedRecord, receiptRecord, segmentRecord } from './records.ts'
import { endedBy, isSilent, spokenFor, type ScopeOf } from './silence.ts'

/** [D16] to [D24]: the order of the rows is the order of the lines. */
export function takeReceipt(fact: ReceiptFact, scope: SegmentsScope, rules: AggregationRules): void {
  const { state } = scope
  const { eventId } = fact.receipt
  const known =
    state && segmentOf(state, fact.segmentIndex).receipts.find((taken) => taken.eventId === eventId)
  if (known !== undefined && state !== undefined) return tellReceipt(fact, scope, state, known) // [D16]
  const aggregate = opened(fact, state)
  if (aggregate === null) return tellLate(fact, scope, undefined) // [D17]
  if (fact.segmentIndex > aggregate.expected) return takeOutside(fact, scope, aggregate, rules)
  if (aggregate.outcome !== undefined) return takeAfterClosing(fact, scope, aggregate, aggregate.outcome)
  takeWhileOpen(fact, scope, aggregate, rules)
}

/**
 * Null when nothing is known of the message and the receipt must not open it: a release after
 * everything has expired; or one from after the grace, when whoever was submitted so long ago has
 * had its outcome and its bill, and was forgotten.
 */
function opened(fact: ReceiptFact, state: Aggregate | undefined): Aggregate | null {
  const { submission, segmentIndex: _, totalSegments, release } = fact
  if (state?.outcome !== undefined) return state
  if (submission === undefined) return state ?? null
  if (state === undefined && (release !== undefined || isAfterGrace(fact.receipt, submission))) return null
  const aggregate = state ?? openedByReceipt(fact, fact.receipt.operatorId, submission)
  return withSubmitted(aggregate, { ...submission, totalSegments })
}

const isAfterGrace = ({ receivedAt }: Receipt, { submittedAt }: Submission): boolean =>
  Date.parse(receivedAt) - Date.parse(submittedAt) > GRACE_MS

/**
 * A part that the message does not have. The receipt is kept for a person to look into, and changes
 * nothing.
 */
function takeOutside(
  fact: ReceiptFact,
  scope: SegmentsScope,
  aggregate: Aggregate,
  rules: AggregationRules,
): void {
  keep(scope, aggregate.outcome === undefined ? asAccepted(aggregate) : aggregate, rules)
  scope.emit('record', receiptRecord(fact, false))
  const { segmentIndex, totalSegments, receipt } = fact
  const { operatorId } = receipt
  scope.note('dlr.segment_outside', { messageId: scope.key, operatorId, segmentIndex, totalSegments })
}

/**
 * [D18] to [D20]. The aggregate is frozen, so that a receipt read again is decided the same without
 * being remembered.
 */
function takeAfterClosing(
  fact: ReceiptFact,
  scope: SegmentsScope,
  aggregate: Aggregate,
  outcome: Outcome,
): void {
  const { receipt, release } = fact
  const { operatorId, operatorMessageId, dlrStatus, receivedAt, deliveredAt } = receipt
  const times = {
    receivedAtMs: Date.parse(receivedAt),
    deliveredAtMs: deliveredAt === null ? null : Date.parse(deliveredAt),
    terminalAtMs: Date.parse(outcome.at),
  }
  if (release === undefined && isStale(times)) {
    scope.emit('record', quarantinedRecord(fact, outcome)) // [D18]
    return scope.note('dlr.quarantined', aboutReceipt(fact, scope))
  }
  if (dlrStatus === segmentOf(aggregate, fact.segmentIndex).status)
    return tellDuplicate(fact, scope, receiptRowId(operatorId, operatorMessageId, dlrStatus)) // [D19]
  tellLate(fact, scope, outcome) // [D20]
}

/** [D21] to [D24]. */
function takeWhileOpen(
  fact: ReceiptFact,
  scope: SegmentsScope,
  aggregate: Aggregate,
  rules: AggregationRules,
): void {
  const { segmentIndex, receipt } = fact
  const { eventId, operatorId, operatorMessageId, dlrStatus } = receipt
  const segment = segmentOf(aggregate, segmentIndex)
  const receiptId = receiptRowId(operatorId, operatorMessageId, dlrStatus)
  if (segment.receipts.some((taken) => taken.receiptId === receiptId)) {
    keep(scope, remembering(aggregate, segmentIndex, { eventId, receiptId, effect: 'dropped' }), rules)
    return tellDuplicate(fact, scope, receiptId) // [D21]
  }
  const isNews = segment.status !== dlrStatus || segment.receipts.length < RECEIPTS_MAX
  const takes = !isTerminal(segment.status) && isNews
  const taken: Taken = { eventId, receiptId, effect: takes ? 'applied' : 'kept' }
  const settled = takes
    ? applied(fact, aggregate, taken, rules) // [D23], [D24]
    : remembering(aggregate, segmentIndex, taken) // [D22]
  tellReceipt(fact, scope, settled, taken)
  keep(scope, settled, rules)
  if (takes) noteProcessed(fact, scope, settled)
}

function remembering(aggregate: Aggregate, index: number, taken: Taken): Aggregate {
  const segment = segmentOf(aggregate, index)
  if (segment.receipts.length >= RECEIPTS_MAX) return aggregate
  return withSegment(aggregate, index, { ...segment, receipts: [...segment.receipts, taken] })
}

/**
 * The segment takes the status. Then [D27] for a terminal one, else the UNKNOWN webhook when
 * nothing else is awaited before it [D23].
 */
function applied(
  fact: ReceiptFact,
  aggregate: Aggregate,
  taken: Taken,
  { scopeOf }: AggregationRules,
): Aggregate {
  const { segmentIndex, receipt } = fact
  const { dlrStatus, operatorId, errorCode, receivedAt, eventId } = receipt
  const receipts = [...segmentOf(aggregate, segmentIndex).receipts, taken]
  const segment: Segment = { status: dlrStatus, operatorId, receivedAt, receipts }
  if (errorCode !== undefined) segment.errorCode = errorCode
  const taking = withSegment(aggregate, segmentIndex, segment)
  if (dlrStatus !== 'UNKNOWN')
    return evaluated(spokenFor(taking, { operatorId, by: eventId }, scopeOf), receivedAt, eventId)
  if (taking.unknown !== undefined || !isAnswered(taking, scopeOf)) return taking
  const unknown = {
    by: eventId,
    at: receivedAt,
    operatorId: operatorOf(taking),
    segments: segmentOutcomes(taking),
  }
  return { ...taking, unknown }
}

/** Every segment has a receipt or is terminal, but for those that will never get one. */
const isAnswered = (aggregate: Aggregate, scopeOf: ScopeOf): boolean =>
  aggregate.segments.length === aggregate.expected &&
  aggregate.segments.every(
    ({ status }, place) =>
      status === 'UNKNOWN' || isTerminal(status) || isSilent(aggregate, place + 1, scopeOf),
  )

/** What a receipt has caused while the message was open, at first and whenever it is read again. */
function tellReceipt(fact: ReceiptFact, scope: SegmentsScope, aggregate: Aggregate, taken: Taken): void {
  const { eventId, effect } = taken
  const { outcome, unknown } = aggregate
  if (effect === 'dropped') return tellReleasedDuplicate(fact, scope)
  const closes = outcome?.by === eventId
  const record = receiptRecord(
    fact,
    effect === 'applied',
    closes ? messageOutcome(aggregate, outcome) : undefined,
  )
  scope.emit('record', record)
  for (const segmentIndex of endedBy(aggregate, eventId))
    scope.emit('record', spokenRecord(scope.key, aggregate, segmentIndex, eventId))
  if (unknown?.by === eventId)
    scope.emit('webhook', webhookEvent(scope.key, aggregate, { dlrStatus: 'UNKNOWN', ...unknown }))
  if (closes) tellOutcome(scope, aggregate)
}

const spokenRecord = (messageId: string, aggregate: Aggregate, segmentIndex: number, receiptEvent: string) =>
  segmentRecord(aggregate, {
    messageId,
    segmentIndex,
    totalSegments: aggregate.expected,
    cause: `${receiptEvent}|${segmentIndex}`,
  })

function tellDuplicate(fact: ReceiptFact, scope: SegmentsScope, receiptId: string): void {
  tellReleasedDuplicate(fact, scope)
  scope.note('dlr.duplicate', { ...aboutReceipt(fact, scope), receiptId })
}

/** A duplicate has no row, but its release gets an answer [AG6]. */
function tellReleasedDuplicate(fact: ReceiptFact, scope: SegmentsScope): void {
  if (fact.release !== undefined) scope.emit('record', receiptRecord(fact, false))
}

function tellLate(fact: ReceiptFact, scope: SegmentsScope, outcome: Outcome | undefined): void {
  scope.emit('record', lateRecord(fact, outcome))
  scope.note('dlr.late', aboutReceipt(fact, scope))
}

/** The id without the numbers of the receipt and of the message that are in it [LG5]. */
function aboutReceipt({ receipt, submission }: ReceiptFact, { key: messageId, state }: SegmentsScope) {
  const { operatorId, operatorMessageId, sourceAddr, destAddr } = receipt
  const addresses = [sourceAddr, destAddr, state?.to, submission?.to]
  return { messageId, operatorId, operatorMessageId: loggableId(operatorMessageId, addresses) }
}

const noteProcessed = (fact: ReceiptFact, scope: SegmentsScope, aggregate: Aggregate): void =>
  scope.note('dlr.processed', {
    messageId: scope.key,
    operatorId: fact.receipt.operatorId,
    dlrStatus: fact.receipt.dlrStatus,
    received: aggregate.terminal,
    expected: aggregate.expected,
  })
