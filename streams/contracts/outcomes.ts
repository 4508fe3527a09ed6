import { z } from 'zod'
import { CANONICAL_STATUSES, OUTCOMES } from '../domain/statuses.ts'
import { count, e164, envelope, ids, instant, metadata, ordinal, topic, uuid } from './topic.ts'

/**
 * One outcome per message, and the events that say so: aggregated [SC8], billing [SC10], webhook
 * [SC11].
 */

export const SegmentOutcome = z.object({
  segmentIndex: ordinal,
  status: z.enum(['PENDING', ...CANONICAL_STATUSES]),
  errorCode: z.string().exactOptional(),
  receivedAt: instant.exactOptional(),
})
export type SegmentOutcome = z.infer<typeof SegmentOutcome>

export const AggregatedOutcome = z.object({
  ...envelope,
  ...ids,
  status: z.enum(OUTCOMES),
  received: count,
  expected: ordinal,
  /** NOT_SENT: no operator ever took a part of it, so it is not billed [D26b]. */
  closedBy: z.enum(['ALL_RECEIVED', 'GRACE_EXPIRED', 'NOT_SENT']),
  operatorId: uuid,
  segments: z.array(SegmentOutcome),
  enqueuedAt: instant,
})
export type AggregatedOutcome = z.infer<typeof AggregatedOutcome>
export const aggregatedOutcomes = topic(
  'sms.dlr.aggregated.v1',
  AggregatedOutcome,
  (outcome) => outcome.messageId,
)

export const BillingEvent = z.object({
  ...envelope,
  ...ids,
  eventType: z.literal('DLR_TERMINAL'),
  dlrStatus: z.enum(OUTCOMES),
  segmentCount: ordinal,
  deliveredSegments: count,
  operatorId: uuid,
})
export type BillingEvent = z.infer<typeof BillingEvent>
export const billingEvents = topic('billing.events', BillingEvent, (event) => event.messageId)

export const WebhookEvent = z.object({
  ...envelope,
  ...ids,
  dlrStatus: z.enum([...OUTCOMES, 'UNKNOWN']),
  to: e164,
  operatorId: uuid,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
  segments: z.array(SegmentOutcome),
})
export type WebhookEvent = z.infer<typeof WebhookEvent>
export const webhookEvents = topic('webhook.dispatch', WebhookEvent, (event) => event.messageId)
