import { z } from 'zod'
import { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { count, instant, segmentTotal, sequence, uuid } from '../../streams/contracts/topic.ts'
import { MESSAGE_STATUSES } from '../../streams/domain/statuses.ts'

const status = z.enum(MESSAGE_STATUSES)

/** One transition. `at` and `retryAt` are epoch milliseconds. */
export const Transition = z.object({
  status,
  at: z.number().int(),
  /** Retries so far. */
  attempt: count,
  error: z.object({ code: z.string(), detail: z.string() }).exactOptional(),
  retryAt: z.number().int().exactOptional(),
})
export type Transition = z.infer<typeof Transition>

/**
 * The strategy is kept although configuration names it: a re-read must emit the command of that
 * time.
 */
export const TakenRoute = z.object({
  operatorId: z.string(),
  routeId: z.string(),
  strategy: z.enum(['CSMS', 'TLV']),
})
export type TakenRoute = z.infer<typeof TakenRoute>

/**
 * What one input record has caused, the timers that it armed included: request, dead-letter
 * replay, cancel or outcome. Every event of the run is a function of the record and of this, which
 * is how a re-read emits the same bytes.
 */
export const Run = z.object({
  position: z.string(),
  from: status.nullable(),
  firstSeq: sequence,
  /** Of a dead-letter replay: it replaces the request's own. */
  expiresAt: instant.exactOptional(),
  route: TakenRoute.exactOptional(),
  steps: z.array(Transition),
})
export type Run = z.infer<typeof Run>

/**
 * `request` is there only while it may be needed: what has been sent, given up or cancelled keeps
 * no text and no numbers.
 */
export const Message = z.object({
  tenantId: uuid,
  accountId: uuid,
  segmentCount: segmentTotal,
  enqueuedAt: instant,
  status,
  seq: sequence,
  attemptCount: count,
  request: OutboundRequest.exactOptional(),
  runs: z.array(Run),
})
export type Message = z.infer<typeof Message>

/**
 * A cancel whose request has not come yet [T15]: NATS was away, and what waits for it has no order.
 */
export const WaitingCancel = z.object({ tenantId: uuid, accountId: uuid, isCancelled: z.literal(true) })
export type WaitingCancel = z.infer<typeof WaitingCancel>

/** What the store keeps for a messageId. */
export const MessageRow = z.union([Message, WaitingCancel])
export type MessageRow = z.infer<typeof MessageRow>

export const messageOf = (row: MessageRow | undefined): Message | undefined =>
  row === undefined || 'isCancelled' in row ? undefined : row

/** Of the last transition; 0 without one. No later one may be earlier. */
export const lastAt = (message: Message | undefined): number => message?.runs.at(-1)?.steps.at(-1)?.at ?? 0

/**
 * A message is replayed by hand, so more runs than this are a loop. The oldest is then dropped and
 * not repeated any more.
 */
export const RUNS_MAX = 16
/** Counted from the last transition, and not before the instant to send at [DB91]. */
export const MESSAGE_LIFETIME_MS = 96 * 3_600_000
