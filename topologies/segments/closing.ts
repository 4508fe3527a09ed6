import { aggregatedOutcomes, billingEvents, webhookEvents } from '../../streams/contracts/outcomes.ts'
import { dlrRecords } from '../../streams/contracts/receipts.ts'
import { evaluateSegments } from '../../streams/domain/receipt/aggregate.ts'
import type { Scope } from '../../streams/dsl/processor.ts'
import { instantOf } from '../instant.ts'
import type { NoteName } from '../notes.ts'
import { forgottenAtMs, graceEndMs, wasAccepted, type Aggregate, type Outcome } from './aggregate.ts'
import { aggregatedEvent, billingEvent, operatorOf, segmentOutcomes, webhookEvent } from './outcome-events.ts'
import { partialRecord } from './records.ts'
import type { ScopeOf } from './silence.ts'

export const emits = {
  record: dlrRecords,
  aggregated: aggregatedOutcomes,
  billing: billingEvents,
  webhook: webhookEvents,
}
export type SegmentsScope = Scope<Aggregate, typeof emits, 'grace' | 'expire', NoteName>

/** What differs from one deployment to another. */
export interface AggregationRules {
  /** How long after its submission a receipt may come [K8]. */
  readonly correlationMs: number
  /** On which segments of a message each operator reports [PD2]. */
  readonly scopeOf: ScopeOf
}

/**
 * [D27]: closes the message when its last segment has become terminal. `at` and `by` are those of
 * the cause.
 */
export function evaluated(aggregate: Aggregate, at: string, by: string): Aggregate {
  // Counted rather than looked at, so that a message of many segments is looked through once.
  if (aggregate.terminal < aggregate.expected) return aggregate
  const status = evaluateSegments(aggregate.segments.map((segment) => segment.status))
  return status === 'PENDING'
    ? aggregate
    : { ...aggregate, outcome: { status, at, by, closedBy: 'ALL_RECEIVED' } }
}

/** [D29]. */
export function tellOutcome(scope: SegmentsScope, aggregate: Aggregate): void {
  const { outcome } = aggregate
  if (outcome === undefined) throw new Error(`message ${scope.key} has no outcome to tell`)
  const segments = segmentOutcomes(aggregate)
  const { status: dlrStatus, at } = outcome
  const told = { dlrStatus, at, operatorId: operatorOf(aggregate), segments }
  scope.emit('aggregated', aggregatedEvent(scope.key, aggregate, outcome, segments))
  // What never left is never charged [D26b].
  if (outcome.closedBy !== 'NOT_SENT') scope.emit('billing', billingEvent(scope.key, aggregate, outcome))
  scope.emit('webhook', webhookEvent(scope.key, aggregate, told))
}

export function keep(scope: SegmentsScope, aggregate: Aggregate, rules: AggregationRules): void {
  if (aggregate === scope.state) return
  const wasRefused = scope.state?.refused === true
  scope.put(aggregate)
  if (aggregate.outcome === undefined && aggregate.refused === undefined) {
    if (wasRefused) scope.disarm('expire')
    return scope.arm('grace', graceEndMs(aggregate))
  }
  scope.disarm('grace')
  scope.arm('expire', forgottenAtMs(aggregate, scope.now, rules.correlationMs))
}

/**
 * [D25], [D26]: a segment that is only UNKNOWN counts as missing. A message of which no operator
 * ever had a part has failed [D26b].
 */
export function giveUp(aggregate: Aggregate, scope: SegmentsScope, rules: AggregationRules): void {
  if (aggregate.outcome !== undefined) return
  const isSent = wasAccepted(aggregate)
  const outcome: Outcome = {
    status: isSent ? 'PARTIAL' : 'FAILED',
    at: instantOf(scope.now),
    by: scope.position,
    closedBy: isSent ? 'GRACE_EXPIRED' : 'NOT_SENT',
  }
  const closed: Aggregate = { ...aggregate, outcome }
  scope.emit('record', partialRecord(scope.key, closed, outcome))
  tellOutcome(scope, closed)
  keep(scope, closed, rules)
  const { terminal: received, expected } = closed
  const told = { messageId: scope.key, operatorId: operatorOf(closed), received, expected }
  scope.note(isSent ? 'dlr.partial' : 'dlr.not_sent', told)
}
