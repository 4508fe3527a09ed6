import { z } from 'zod'
import { SegmentOutcome } from '../../streams/contracts/outcomes.ts'
import { count, e164, instant, metadata, ordinal, uuid } from '../../streams/contracts/topic.ts'
import { isTerminal } from '../../streams/domain/receipt/aggregate.ts'
import { PARTS_MAX } from '../../streams/domain/message/text-segments.ts'
import { OUTCOMES, SEGMENT_STATUSES } from '../../streams/domain/statuses.ts'

/**
 * A receipt that a segment has seen while its message was open. The event id stands for the
 * position: `intake` lets an event id pass once, so a second fact of one event is the first one
 * read again, here or upstream.
 */
export const Taken = z.object({
  eventId: uuid,
  /** Identity: operator, its message id and status [L3], as the id of the receipt's row. */
  receiptId: uuid,
  /**
   * `applied` changed the status, `kept` came after a terminal one, `dropped` repeats an identity.
   */
  effect: z.enum(['applied', 'kept', 'dropped']),
})
export type Taken = z.infer<typeof Taken>

export const Segment = z.object({
  status: z.enum(SEGMENT_STATUSES),
  operatorId: uuid.exactOptional(),
  errorCode: z.string().exactOptional(),
  receivedAt: instant.exactOptional(),
  /**
   * Position of the submit result that made it terminal; or event id of the receipt of another
   * segment that its operator reports on instead.
   */
  by: z.string().exactOptional(),
  receipts: z.array(Taken),
})
export type Segment = z.infer<typeof Segment>

/**
 * Frozen with the outcome: nothing changes a closed aggregate, so that its events can be made again
 * from it.
 */
export const Aggregate = z.object({
  tenantId: uuid,
  accountId: uuid,
  to: e164,
  /** Of the command; each segment knows the one really used. */
  operatorId: uuid,
  enqueuedAt: instant,
  segmentCount: ordinal,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
  /** M: parts on the wire [AG2]. */
  expected: ordinal,
  /** Latest, epoch milliseconds; absent while unknown. */
  sentMs: z.number().int().exactOptional(),
  submittedMs: z.number().int().exactOptional(),
  /**
   * The command was refused by NATS [T10]: nothing is awaited and nothing billed, unless a later
   * command or a report of an operator says otherwise. Kept so that a re-read EXPECTED is known.
   */
  refused: z.literal(true).exactOptional(),
  /** An operator has accepted a part, whatever became of it [D26b]. */
  accepted: z.literal(true).exactOptional(),
  /** By segmentIndex - 1; as long as the highest segment heard of. */
  segments: z.array(Segment),
  /** N: how many of them are terminal. */
  terminal: count,
  /** The one UNKNOWN webhook, as it was emitted [D23]. */
  unknown: z
    .object({ by: uuid, at: instant, operatorId: uuid, segments: z.array(SegmentOutcome) })
    .exactOptional(),
  /**
   * `by` is the event id of the closing receipt, the position of the closing submit result, or the
   * timer's.
   */
  outcome: z
    .object({
      status: z.enum(OUTCOMES),
      at: instant,
      by: z.string(),
      closedBy: z.enum(['ALL_RECEIVED', 'GRACE_EXPIRED', 'NOT_SENT']),
    })
    .exactOptional(),
})
export type Aggregate = z.infer<typeof Aggregate>
export type Outcome = NonNullable<Aggregate['outcome']>

export const SEGMENTS_MAX = PARTS_MAX
/**
 * Per segment. Identities are few, so only a flood of repetitions gets here. What exceeds it is
 * decided as usual and not remembered. What changes the status always is.
 */
export const RECEIPTS_MAX = 32
export const GRACE_MS = 24 * 3_600_000
/** After closing, at least [DB96]. */
const CLOSED_LIFETIME_MS = 96 * 3_600_000
/**
 * After the last instant at which a receipt of it could be received: on its way through NATS and
 * `correlate` it may be held up.
 */
const RECEIPTS_UNDER_WAY_MS = 24 * 3_600_000

/**
 * When a message is forgotten on which nothing is awaited any more. Not before its receipts can be
 * joined no longer: one that came after that would open it again, and it would be billed twice.
 */
export const forgottenAtMs = ({ submittedMs = 0 }: Aggregate, nowMs: number, correlationMs: number): number =>
  Math.max(nowMs + CLOSED_LIFETIME_MS, submittedMs + correlationMs + RECEIPTS_UNDER_WAY_MS)

const UNHEARD: Segment = { status: 'PENDING', receipts: [] }

export const segmentOf = (aggregate: Aggregate, index: number): Segment =>
  aggregate.segments[index - 1] ?? UNHEARD

export function withSegment(aggregate: Aggregate, index: number, segment: Segment): Aggregate {
  const segments = aggregate.segments.slice()
  while (segments.length < index) segments.push(UNHEARD)
  const before = segmentOf(aggregate, index)
  segments[index - 1] = segment
  const closes = isTerminal(segment.status) && !isTerminal(before.status)
  return { ...aggregate, segments, terminal: aggregate.terminal + (closes ? 1 : 0) }
}

/**
 * Whether an operator ever had a part of it. Rows of an older version do not say so; what their
 * segments have come to does.
 */
export const wasAccepted = ({ accepted, segments }: Aggregate): boolean =>
  accepted === true ||
  segments.some(
    ({ status, by, receipts }) =>
      receipts.length > 0 ||
      status === 'SUBMITTED' ||
      status === 'UNKNOWN' ||
      (isTerminal(status) && by === undefined),
  )

export const asAccepted = (aggregate: Aggregate): Aggregate =>
  aggregate.accepted === true ? aggregate : { ...aggregate, accepted: true }

/**
 * When to give up [AG4]: 24 h after the latest submission, or after the command while nothing was
 * submitted.
 */
export function graceEndMs({ submittedMs, sentMs }: Aggregate): number {
  const base = submittedMs ?? sentMs
  if (base === undefined) throw new Error('an aggregate was opened by nothing')
  return base + GRACE_MS
}
