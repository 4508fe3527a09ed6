import { z } from 'zod'
import { MESSAGE_STATUSES } from '../domain/statuses.ts'
import {
  count,
  e164,
  envelope,
  ids,
  instant,
  metadata,
  ordinal,
  segmentTotal,
  sequence,
  topic,
  uuid,
} from './topic.ts'

/**
 * The way out: request, cancel, retry, dead letter, status, command. In a request `to`, `from` and
 * `body` are plain strings. A request with readable identity but wrong content must reach FAILED
 * with a reason [O5], not vanish into a dead-letter topic. So `outbound` checks the content itself.
 */
const content = {
  ...ids,
  to: z.string(),
  from: z.string(),
  body: z.string(),
  messageType: z.enum(['SMS', 'FLASH_SMS']),
  encoding: z.enum(['GSM7', 'UCS2']),
  segmentCount: segmentTotal,
  enqueuedAt: instant,
  expiresAt: instant,
  /** The message is SCHEDULED until then [T13]. */
  sendAt: instant.exactOptional(),
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
}

/** [SC1]. */
export const OutboundRequest = z.object({ ...envelope, ...content })
export type OutboundRequest = z.infer<typeof OutboundRequest>
export const outboundRequests = topic('sms.outbound.request', OutboundRequest, (request) => request.messageId)

/**
 * [SC14]: the client does not want the message any more [T15]. `sendAt` is that of the message, and
 * says how long the order is worth keeping where it comes before its request.
 */
export const OutboundCancel = z.object({ ...envelope, ...ids, enqueuedAt: instant, sendAt: instant })
export type OutboundCancel = z.infer<typeof OutboundCancel>
export const outboundCancels = topic('sms.outbound.cancel', OutboundCancel, (cancel) => cancel.messageId)

/** [SC2]: the retry now scheduled. */
export const OutboundRetry = z.object({
  ...envelope,
  ...ids,
  attempt: z.number().int().min(1).max(3),
  reason: z.string(),
  failedAt: instant,
  nextAttemptAt: instant,
  enqueuedAt: instant,
})
export type OutboundRetry = z.infer<typeof OutboundRetry>
export const outboundRetries = topic('sms.outbound.retry', OutboundRetry, (retry) => retry.messageId)

export const DEAD_LETTER_REASONS = ['validation', 'no_route', 'publish_fail', 'max_attempts'] as const
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number]

/** [SC3]. */
export const OutboundDeadLetter = z.object({
  ...envelope,
  ...content,
  attemptCount: z.number().int().min(0).max(3),
  reason: z.enum(DEAD_LETTER_REASONS),
  failureReason: z.string(),
  finalStatus: z.enum(['FAILED', 'DEAD_LETTER']),
  seq: sequence,
  failedAt: instant,
})
export type OutboundDeadLetter = z.infer<typeof OutboundDeadLetter>
export const outboundDeadLetters = topic(
  'sms.outbound.deadletter',
  OutboundDeadLetter,
  (dead) => dead.messageId,
)

/** [EV56]: the order to replay a dead letter, on its request when that is issued again [T12]. */
export const REPLAY_HEADER = 'dead-letter-replay'
export const replayOrder = ({ eventId, seq }: Pick<OutboundDeadLetter, 'eventId' | 'seq'>): string =>
  `${eventId}:${seq}`

/** [SC4]: one per transition, seq without gaps. */
export const StatusEvent = z.object({
  ...envelope,
  ...ids,
  previousStatus: z.enum(MESSAGE_STATUSES).nullable(),
  newStatus: z.enum(MESSAGE_STATUSES),
  seq: sequence,
  attemptCount: z.number().int().min(0).max(3),
  segmentCount: segmentTotal,
  enqueuedAt: instant,
  operatorId: z.string().exactOptional(),
  routeId: z.string().exactOptional(),
  error: z.object({ code: z.string(), detail: z.string() }).exactOptional(),
})
export type StatusEvent = z.infer<typeof StatusEvent>
export const statusEvents = topic('sms.events.status', StatusEvent, (status) => status.messageId)

/** [SC5], SmsDispatchCommand v1.0: here the content is strict, because it goes to the operator. */
export const DispatchCommand = z.object({
  ...envelope,
  ...content,
  to: e164,
  from: z.string().min(1).max(20),
  body: z.string().min(1).max(1600),
  longMessageStrategy: z.enum(['CSMS', 'TLV']),
  operatorId: uuid,
  routeId: z.string(),
  routedAt: instant,
})
export type DispatchCommand = z.infer<typeof DispatchCommand>
export const dispatchCommands = topic('smpp.operator', DispatchCommand, (command) => command.operatorId, {
  operatorHeader: true,
})

/**
 * [EV23], written by the bridge: NATS will never take this command. The command comes along,
 * because `outbound` keeps no text of what it has sent and needs it for the dead letter [T10].
 */
export const DispatchRefused = z.object({
  ...envelope,
  ...ids,
  operatorId: uuid,
  /** That of the transition to SENT. */
  seq: sequence,
  reason: z.string(),
  command: DispatchCommand,
})
export type DispatchRefused = z.infer<typeof DispatchRefused>
export const dispatchRefusals = topic(
  'smpp.dispatch.refused',
  DispatchRefused,
  (refused) => refused.messageId,
  { operatorHeader: true },
)

/** [SC6]: the operator's answer for one segment. */
export const SubmitResult = z.object({
  ...envelope,
  ...ids,
  operatorId: uuid,
  segmentIndex: ordinal,
  totalSegments: ordinal,
  outcome: z.enum(['ACCEPTED', 'REJECTED', 'EXPIRED']),
  operatorMessageId: z.string().min(1).max(64).exactOptional(),
  commandStatus: count.exactOptional(),
  /** The response never came: the segment may or may not have been taken [S9]. */
  uncertain: z.boolean().exactOptional(),
  submittedAt: instant,
  to: e164,
  enqueuedAt: instant,
  segmentCount: ordinal,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
})
export type SubmitResult = z.infer<typeof SubmitResult>
export const submitResults = topic('smpp.submit.result', SubmitResult, (result) => result.messageId, {
  operatorHeader: true,
})
