import type {
  AggregatedOutcome,
  BillingEvent,
  SegmentOutcome,
  WebhookEvent,
} from '../../streams/contracts/outcomes.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { aggregatedEventId, billingEventId, webhookEventId } from '../../streams/domain/event-id.ts'
import { segmentOf, type Aggregate, type Outcome, type Segment } from './aggregate.ts'

/**
 * The events of a message's outcome [D29]. Pure functions of the closed aggregate: called again,
 * they give the same bytes.
 */

// Optional members are assigned afterwards and not spread in: a conditional spread costs more than
// the rest of the event.

/** Operator of segment 1; of the command while segment 1 was never heard of. */
export const operatorOf = (aggregate: Aggregate): string =>
  aggregate.segments[0]?.operatorId ?? aggregate.operatorId

export const segmentOutcomes = (aggregate: Aggregate): SegmentOutcome[] =>
  Array.from({ length: aggregate.expected }, (_, i) => segmentOutcome(i + 1, segmentOf(aggregate, i + 1)))

function segmentOutcome(segmentIndex: number, { status, errorCode, receivedAt }: Segment): SegmentOutcome {
  const outcome: SegmentOutcome = { segmentIndex, status: status === 'SUBMITTED' ? 'PENDING' : status }
  if (errorCode !== undefined) outcome.errorCode = errorCode
  if (receivedAt !== undefined) outcome.receivedAt = receivedAt
  return outcome
}

export const aggregatedEvent = (
  messageId: string,
  aggregate: Aggregate,
  outcome: Outcome,
  segments: SegmentOutcome[],
): AggregatedOutcome => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: aggregatedEventId(messageId),
  occurredAt: outcome.at,
  messageId,
  tenantId: aggregate.tenantId,
  accountId: aggregate.accountId,
  status: outcome.status,
  received: aggregate.terminal,
  expected: aggregate.expected,
  closedBy: outcome.closedBy,
  operatorId: operatorOf(aggregate),
  segments,
  enqueuedAt: aggregate.enqueuedAt,
})

export const billingEvent = (messageId: string, aggregate: Aggregate, outcome: Outcome): BillingEvent => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: billingEventId(messageId),
  occurredAt: outcome.at,
  messageId,
  tenantId: aggregate.tenantId,
  accountId: aggregate.accountId,
  eventType: 'DLR_TERMINAL',
  dlrStatus: outcome.status,
  segmentCount: aggregate.segmentCount,
  deliveredSegments: deliveredSegments(aggregate, outcome),
  operatorId: operatorOf(aggregate),
})

/**
 * Counted at submit and on the wire may differ: sent whole (TLV), one receipt speaks for all of the
 * segments.
 */
function deliveredSegments({ segments, segmentCount, expected }: Aggregate, { status }: Outcome): number {
  if (expected === 1 && segmentCount > 1) return status === 'DELIVERED' ? segmentCount : 0
  const delivered = segments.reduce((sum, segment) => sum + (segment.status === 'DELIVERED' ? 1 : 0), 0)
  return Math.min(delivered, segmentCount)
}

export interface WebhookCase {
  readonly dlrStatus: WebhookEvent['dlrStatus']
  readonly at: string
  readonly operatorId: string
  readonly segments: SegmentOutcome[]
}

export function webhookEvent(messageId: string, aggregate: Aggregate, told: WebhookCase): WebhookEvent {
  const event: WebhookEvent = {
    schemaVersion: SCHEMA_VERSION,
    eventId: webhookEventId(messageId, told.dlrStatus),
    occurredAt: told.at,
    messageId,
    tenantId: aggregate.tenantId,
    accountId: aggregate.accountId,
    dlrStatus: told.dlrStatus,
    to: aggregate.to,
    operatorId: told.operatorId,
    segments: told.segments,
  }
  if (aggregate.callbackUrl !== undefined) event.callbackUrl = aggregate.callbackUrl
  if (aggregate.metadata !== undefined) event.metadata = aggregate.metadata
  return event
}
