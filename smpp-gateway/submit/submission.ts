import type { DispatchCommand } from '../../streams/contracts/outbound.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Carrier } from './carrier.ts'
import type { OperatorSettings } from '../config.ts'
import type { OperatorMetrics } from '../metrics.ts'
import type { Journal, SegmentResult } from './journal.ts'
import type { Publisher, TraceHeaders } from '../publisher.ts'
import type { RecentSubmits } from '../receipts/recent-submits.ts'
import type { Retries } from './retries.ts'

/** What the queue of one operator needs to work on its commands. */
export interface SubmitContext {
  /** Operator of the queue. */
  readonly operatorId: string
  readonly settings: OperatorSettings
  readonly journal: Journal
  readonly retries: Retries
  readonly publisher: Publisher
  readonly recent: RecentSubmits
  readonly metrics: OperatorMetrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** Monotonic ms. */
  readonly elapsed: () => number
  /** Delay of a command that found no permit. */
  readonly throttledMs: number
  /** The operator has taken a segment without an id to match its receipts by. */
  readonly onMissingId: () => void
}

/** One delivery of one command. */
export interface Submission extends SubmitContext {
  readonly command: DispatchCommand
  readonly trace: TraceHeaders
  /** Aborts when commands that have not been started must be given back. */
  readonly giveBack: AbortSignal
  /** Aborts when the process cannot wait for NATS any longer. */
  readonly giveUp: AbortSignal
  /** Who carries the next PDU; undefined while nobody is bound. */
  readonly carrier: () => Carrier | undefined
}

/** What becomes of a command: acknowledged, or given back to NATS for later. */
export type Verdict = { readonly kind: 'done' } | Redeliver
export interface Redeliver {
  readonly kind: 'redeliver'
  readonly delayMs: number
  /** The operator as a whole can take no more now; otherwise only this message has to wait. */
  readonly isCongested: boolean
}
/** What becomes of one segment: a published result, or the whole command comes again. */
export type SegmentVerdict = { readonly kind: 'settled'; readonly result: SegmentResult } | Redeliver

export const later = (delayMs: number): Redeliver => ({ kind: 'redeliver', delayMs, isCongested: false })
export const congested = (delayMs: number): Redeliver => ({ kind: 'redeliver', delayMs, isCongested: true })
