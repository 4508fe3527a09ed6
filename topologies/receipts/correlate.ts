import {
  SUBMIT_RESULTS_READ_LOOKUP,
  submitResultsRead,
  type ReadingProgress,
} from '../../streams/contracts/lookups.ts'
import type { Answer } from '../../streams/contracts/question.ts'
import {
  dlrRecords,
  receiptLookups,
  segmentFacts,
  sentSegments,
  unmatchedReceipts,
  type ReceiptLookup,
  type SentSegment,
} from '../../streams/contracts/receipts.ts'
import { orphanRowId } from '../../streams/domain/event-id.ts'
import { loggableId } from '../../streams/domain/receipt/subscriber.ts'
import { defineProcessor, type Scope } from '../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../streams/dsl/topology.ts'
import { instantOf } from '../instant.ts'
import { NOTES, type NoteName } from '../notes.ts'
import { handedOn, LOOKS_MAX, stageOf } from './candidates.ts'
import {
  Correlation,
  decided,
  CORRELATION_LIMITS,
  type CorrelationLimits,
  DECISION_LIFETIME_MS,
  factOf,
  givenUp,
  knownDecision,
  LOOK_AGAIN_AFTER_MS,
  lookedAgain,
  NOTHING_KNOWN,
  orphanRecord,
  sentRound,
  unmatchedEvent,
  excessOf,
  type Decision,
  type Waiting,
} from './correlation.ts'
import { withSubmission } from './submissions.ts'

const emits = {
  fact: segmentFacts,
  record: dlrRecords,
  unmatched: unmatchedReceipts,
  lookup: receiptLookups,
}
type CorrelateScope = Scope<Correlation, typeof emits, 'again' | 'expire', NoteName>
type Asked = { readonly results: Answer<ReadingProgress> } | null

/**
 * The topology `correlate` ([K1], [D7] to [D10]): a join of receipts and submissions in which
 * nobody waits for anybody else.
 */
export const correlateWithin = (limits: CorrelationLimits): Topology =>
  defineTopology('correlate', [correlating(limits)])

const correlating = (limits: CorrelationLimits) =>
  defineProcessor({
    name: 'correlate',
    reads: { lookup: receiptLookups, sent: sentSegments },
    emits,
    notes: NOTES,
    state: { store: 'sent', schema: Correlation },
    lookups: [SUBMIT_RESULTS_READ_LOOKUP],
    asks: {
      lookup: (lookup: ReceiptLookup, row: Correlation | undefined) =>
        isSettled(row ?? NOTHING_KNOWN, lookup) ? null : { results: submitResultsRead },
      again: () => ({ results: submitResultsRead }),
    },
    on: {
      lookup: (lookup, scope: CorrelateScope, asked) => takeLookup(lookup, scope, asked, limits),
      sent: (sent, scope: CorrelateScope) => takeSent(sent, scope, limits),
    },
    due: {
      again: (row, scope: CorrelateScope, asked) => lookAgain(row, scope, asked, limits),
      expire,
    },
  })

export const correlate: Topology = correlateWithin(CORRELATION_LIMITS)

/** Nothing has to be asked for it: it is decided here and now, or has asked before. */
const isSettled = (row: Correlation, lookup: ReceiptLookup): boolean =>
  lookup.looks !== undefined || knownDecision(row, lookup) !== undefined || decided(row, lookup, 0) !== null

/** [D7] to [D9] for the first look. */
function takeLookup(
  lookup: ReceiptLookup,
  scope: CorrelateScope,
  asked: Asked,
  limits: CorrelationLimits,
): void {
  const row = scope.state ?? NOTHING_KNOWN
  const known = knownDecision(row, lookup)
  if (known !== undefined) return tell(scope, lookup, known, row)
  if (row.waiting.some((waiting) => isSame(waiting.lookup, lookup))) return
  const decision = decided(row, lookup, scope.now)
  if (decision === null) return wait(scope, { lookup, row, asked, limits })
  settle(scope, lookup, decision, row)
  keep(scope, remembering(row, [decision], scope.now, limits))
}

const isSame = (a: ReceiptLookup, b: ReceiptLookup): boolean =>
  a.receipt.eventId === b.receipt.eventId && stageOf(a) === stageOf(b)

/** [D9]. A row that arrives meanwhile decides at once, so the looks only say how long to hope. */
function wait(
  scope: CorrelateScope,
  given: { lookup: ReceiptLookup; row: Correlation; asked: Asked; limits: CorrelationLimits },
): void {
  const { lookup, row, asked, limits } = given
  const newcomer: Waiting = { lookup, looks: 1, nextMs: scope.now + LOOK_AGAIN_AFTER_MS, ...lookup.looks }
  if (asked?.results.kind === 'found') newcomer.results = [...asked.results.value.ends]
  const all = [...row.waiting, newcomer]
  const excess = excessOf(all, limits)
  const decisions = all.slice(0, excess).map((one) => givenUp(row, one.lookup, scope.now))
  for (const [at, decision] of decisions.entries()) settle(scope, all[at]?.lookup ?? lookup, decision, row)
  keep(scope, { ...remembering(row, decisions, scope.now, limits), waiting: all.slice(excess) })
}

/** One that is known is its record read again, here or upstream. */
function takeSent(sent: SentSegment, scope: CorrelateScope, limits: CorrelationLimits): void {
  const row = scope.state ?? NOTHING_KNOWN
  if (row.sents.some((known) => known.eventId === sent.eventId)) return
  const sents = [...withSubmission(row.sents, sent, instantOf(scope.now))]
  settleWaiting(scope, { ...row, sents }, limits, (waiting) => waiting)
}

/** [D9], [D10]: the second and the third look. */
function lookAgain(row: Correlation, scope: CorrelateScope, asked: Asked, limits: CorrelationLimits): void {
  settleWaiting(scope, row, limits, (waiting) => {
    if (waiting.nextMs > scope.now) return waiting
    if (waiting.looks < LOOKS_MAX) scope.note('dlr.correlation_retry', {})
    return lookedAgain(waiting, asked?.results, scope.now)
  })
}

/**
 * Decides what can be decided of what waits. `otherwise` says what becomes of the rest; null: it is
 * given up.
 */
function settleWaiting(
  scope: CorrelateScope,
  row: Correlation,
  limits: CorrelationLimits,
  otherwise: (waiting: Waiting) => Waiting | null,
): void {
  const waiting: Waiting[] = []
  const decisions: Decision[] = []
  for (const one of row.waiting) {
    const next = otherwise(one)
    const decision =
      decided(row, one.lookup, scope.now) ??
      (next === null ? givenUp(row, one.lookup, scope.now) : sentRound(one, next, scope.now))
    if (decision === null) {
      if (next !== null) waiting.push(next)
      continue
    }
    decisions.push(decision)
    settle(scope, one.lookup, decision, row)
  }
  keep(scope, { ...remembering(row, decisions, scope.now, limits), waiting })
}

/** Tells a decision and counts it. */
function settle(scope: CorrelateScope, lookup: ReceiptLookup, decision: Decision, row: Correlation): void {
  tell(scope, lookup, decision, row)
  const { as, eventId, sent } = decision
  const { operatorId, operatorMessageId, dlrStatus, sourceAddr, destAddr } = lookup.receipt
  if (as === 'handed') return
  if (as === 'orphan') {
    const loggable = loggableId(operatorMessageId, [sourceAddr, destAddr])
    return scope.note('dlr.orphaned', {
      operatorId,
      operatorMessageId: loggable,
      orphanId: orphanRowId(eventId),
    })
  }
  const { messageId, accountId } = row.sents.find((one) => one.eventId === sent) ?? lookup.receipt
  scope.note('dlr.correlated', { messageId, accountId, dlrStatus })
}

/** What a decision says, at first and whenever its receipt is read again. */
function tell(scope: CorrelateScope, lookup: ReceiptLookup, decision: Decision, row: Correlation): void {
  const { as, next, at } = decision
  if (next !== undefined) return scope.emit('lookup', handedOn(lookup, next, at))
  if (as === 'orphan') {
    scope.emit('record', orphanRecord(lookup, decision))
    return scope.emit('unmatched', unmatchedEvent(lookup, decision))
  }
  const fact = factOf(lookup, decision, row.sents)
  if (fact !== null) scope.emit('fact', fact)
}

function remembering(
  row: Correlation,
  decisions: readonly Decision[],
  now: number,
  { decidedMax }: CorrelationLimits,
): Correlation {
  if (decisions.length === 0) return row
  const alive = row.decided.filter(({ at }) => now - at < DECISION_LIFETIME_MS)
  return { ...row, decided: [...alive, ...decisions].slice(0, decidedMax) }
}

function keep(scope: CorrelateScope, row: Correlation): void {
  scope.put(row)
  if (row.waiting.length === 0) scope.disarm('again')
  else scope.arm('again', Math.min(...row.waiting.map(({ nextMs }) => nextMs)))
  const ends = [
    ...row.sents.map(({ expiresAt }) => Date.parse(expiresAt)),
    ...row.decided.map(({ at }) => at + DECISION_LIFETIME_MS),
  ]
  if (ends.length > 0) scope.arm('expire', Math.max(...ends))
}

/** Nothing is known any more but what still waits, which its own timer decides. */
function expire(row: Correlation, scope: CorrelateScope): void {
  if (row.waiting.length === 0) return scope.forget()
  scope.put({ ...NOTHING_KNOWN, waiting: row.waiting })
}
