import type { SubmitResult } from '../../streams/contracts/outbound.ts'
import type { ExpectedFact, RefusedFact } from '../../streams/contracts/receipts.ts'
import { isTerminal } from '../../streams/domain/receipt/aggregate.ts'
import { isReadAgain } from '../read-again.ts'
import { asAccepted, segmentOf, withSegment, type Aggregate } from './aggregate.ts'
import { evaluated, keep, tellOutcome, type AggregationRules, type SegmentsScope } from './closing.ts'
import { openedByResult, withExpected, withSubmitted } from './opening.ts'
import { messageOutcome, segmentRecord } from './records.ts'
import { spokenFor } from './silence.ts'

/**
 * [D12], [D13]. Read again it finds what it did and changes nothing. It has no outputs to repeat
 * [D11].
 */
export function takeExpected(fact: ExpectedFact, scope: SegmentsScope, rules: AggregationRules): void {
  if (scope.state?.outcome === undefined) keep(scope, withExpected(scope.state, fact), rules)
}

/**
 * [T10]: the message is not waited for any more. What an operator has reported counts for more, and
 * so does a later command.
 */
export function takeRefused(fact: RefusedFact, scope: SegmentsScope, rules: AggregationRules): void {
  const { state } = scope
  if (state === undefined || state.outcome !== undefined) return
  if (state.submittedMs !== undefined || state.segments.length > 0) return
  if (state.sentMs === Date.parse(fact.sentAt)) keep(scope, { ...state, refused: true }, rules)
}

/** [D11] to [D15]: the order of the rows is the order of the lines. */
export function takeResult(result: SubmitResult, scope: SegmentsScope, rules: AggregationRules): void {
  const { state, position } = scope
  const { segmentIndex, outcome } = result
  if (state !== undefined && isReadAgain(scope, segmentOf(state, segmentIndex).by))
    return tellResult(result, scope, state) // [D11]
  if (state?.outcome !== undefined) return // [D12]
  const aggregate = withSubmitted(state ?? openedByResult(result), result)
  if (segmentIndex > aggregate.expected) {
    keep(scope, outcome === 'ACCEPTED' ? asAccepted(aggregate) : aggregate, rules)
    return noteOutside(result, scope)
  }
  if (outcome === 'ACCEPTED') return takeAccepted(result, scope, aggregate, rules) // [D14]
  if (isTerminal(segmentOf(aggregate, segmentIndex).status)) return keep(scope, aggregate, rules)
  const ended = withSegment(aggregate, segmentIndex, {
    status: outcome,
    operatorId: result.operatorId,
    receivedAt: result.submittedAt,
    by: position,
    receipts: segmentOf(aggregate, segmentIndex).receipts,
  })
  const settled = evaluated(ended, result.submittedAt, position)
  tellResult(result, scope, settled) // [D15]
  keep(scope, settled, rules)
}

/**
 * What a submit result with which its segment ended has caused, at first and whenever it is read
 * again.
 */
function tellResult(result: SubmitResult, scope: SegmentsScope, aggregate: Aggregate): void {
  const { outcome } = aggregate
  const closes = outcome?.by === scope.position
  const { messageId, segmentIndex, totalSegments, commandStatus, eventId: cause } = result
  const end = { messageId, segmentIndex, totalSegments, commandStatus, cause }
  scope.emit('record', segmentRecord(aggregate, end, closes ? messageOutcome(aggregate, outcome) : undefined))
  if (closes) tellOutcome(scope, aggregate)
}

/**
 * An operator that is silent on this segment may have reported on its message already: then the
 * segment ends as it begins, and the message with it if all others have.
 */
function takeAccepted(
  result: SubmitResult,
  scope: SegmentsScope,
  aggregate: Aggregate,
  rules: AggregationRules,
): void {
  const { operatorId, segmentIndex, submittedAt } = result
  const by = scope.position
  const submitted = accepted(asAccepted(aggregate), result)
  const spoken = spokenFor(submitted, { operatorId, by }, rules.scopeOf)
  const { receivedAt = submittedAt, by: endedBy } = segmentOf(spoken, segmentIndex)
  if (endedBy !== by) return keep(scope, submitted, rules)
  const settled = evaluated(spoken, receivedAt > submittedAt ? receivedAt : submittedAt, by)
  tellResult(result, scope, settled)
  keep(scope, settled, rules)
}

function accepted(aggregate: Aggregate, { segmentIndex, operatorId }: SubmitResult): Aggregate {
  const segment = segmentOf(aggregate, segmentIndex)
  if (segment.status !== 'PENDING') return aggregate
  return withSegment(aggregate, segmentIndex, { ...segment, status: 'SUBMITTED', operatorId })
}

/**
 * More parts than the first submission announced: one of the two is wrong, and the message is
 * counted by the first.
 */
const noteOutside = (result: SubmitResult, scope: SegmentsScope): void =>
  scope.note('dlr.segment_outside', {
    messageId: scope.key,
    operatorId: result.operatorId,
    segmentIndex: result.segmentIndex,
    totalSegments: result.totalSegments,
  })
