import type { DispatchCommand } from '../../streams/contracts/outbound.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Carrier } from './carrier.ts'
import type { OperatorSettings } from '../config.ts'
import type { OperatorMetrics } from '../metrics.ts'
import type { CommandRecord, Journal } from './journal/journal.ts'
import type { Publisher, TraceHeaders } from '../publisher.ts'
import type { PublishedResults } from './redelivery/published-results.ts'
import type { RecentSubmits } from '../receipts/recent-submits.ts'
import type { References } from './references.ts'
import type { RetryTurns } from './redelivery/turns.ts'
import type { SegmentResult } from './progress.ts'

/** What the queue of one operator needs to work on its commands. */
export interface SubmitContext {
  /** Operator of the queue. */
  readonly operatorId: string
  readonly settings: OperatorSettings
  readonly journal: Journal
  readonly published: Pick<PublishedResults, 'of'>
  readonly references: References
  readonly turns: RetryTurns
  readonly publisher: Publisher
  readonly recent: RecentSubmits
  readonly metrics: OperatorMetrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** Monotonic ms. */
  readonly elapsed: () => number
  /** How long a segment in doubt waits for its late answer before it is sent again. */
  readonly inDoubtMs: number
  /**
   * Delays before the tries after an unknown status; after the last one the message is given up.
   */
  readonly unknownRetriesMs: readonly number[]
  /** The operator has taken a segment without an id to match its receipts by. */
  readonly onMissingId: () => void
}

/** How a command has come from NATS. */
export interface Delivery {
  /** True when JetStream has certainly never delivered this message before. */
  readonly isFirst: boolean
  /** When JetStream stored it, epoch ms: no result of it can be older. */
  readonly storedAt: number
}

/** One delivery of one command. */
export interface Assignment extends SubmitContext {
  readonly command: DispatchCommand
  readonly delivery: Delivery
  readonly trace: TraceHeaders
  /** Aborts when commands that have not been started must be given back. */
  readonly giveBack: AbortSignal
  /** Aborts when the process cannot wait for NATS any longer. */
  readonly giveUp: AbortSignal
  /** Who carries the next PDU; undefined while nobody is bound. */
  readonly carrier: () => Carrier | undefined
}

/** An assignment with what is known of the command. */
export interface Submission extends Assignment {
  readonly record: CommandRecord
}

/** What becomes of a command: acknowledged, or given back to NATS for later. */
export type Verdict = { readonly kind: 'done' } | Redeliver
export interface Redeliver {
  readonly kind: 'redeliver'
  readonly delayMs: number
}
/** What becomes of one segment: a published result, or the whole command comes again. */
export type SegmentVerdict = { readonly kind: 'settled'; readonly result: SegmentResult } | Redeliver

export const later = (delayMs: number): Redeliver => ({ kind: 'redeliver', delayMs })

/**
 * For commands that come between the end of a session and the end of pulling. Given back at once,
 * they would only come back.
 */
export const NOBODY_BOUND_MS = 250

export const isExpired = (job: Assignment): boolean => job.now() > Date.parse(job.command.expiresAt)
