import type { LogClient, LogRecord, TopicPartition } from '../log/port.ts'
import type { Sleep } from '../platform/backoff.ts'

/** Records of one partition in offset order; `next` counts control records and is committed once the batch is done. */
export interface Batch extends TopicPartition {
  readonly records: readonly LogRecord[]
  readonly next: number
}

export interface ConsumeOptions {
  readonly log: LogClient
  readonly group: string
  readonly topics: readonly string[]
  /**
   * At least once: the cursor moves only after this resolves. A rejection is a transient fault: the same batch is given
   * again after a back-off, for as long as it takes, and only its partition waits. Must be idempotent.
   */
  readonly handle: (batch: Batch) => Promise<void>
  /** Records in one batch at most; each partition buffers twice as many before it is paused. */
  readonly recordsMax: number
  readonly sleep: Sleep
  readonly random: () => number
  readonly onFault?: (at: TopicPartition, error: unknown, attempt: number) => void
  /** The consumer is gone for good: the process should stop. */
  readonly onFailed: (error: unknown) => void
}

export interface Consumption {
  /** True once the group has assigned partitions (possibly none) to this member. */
  readonly joined: () => boolean
  /** Records read and not yet done, by `partitionKey`. */
  readonly buffered: () => ReadonlyMap<string, number>
  close(): Promise<void>
}
