import {
  partitionKey,
  type Cursor,
  type LogClient,
  type LogConsumer,
  type LogError,
  type LogRecord,
  type TopicPartition,
} from '../log/port.ts'
import type { Sleep } from '../platform/backoff.ts'
import { PacedCursors, type Mover } from './consuming/paced-cursors.ts'
import { PartitionReader } from './consuming/partition-reader.ts'
import type { Standing } from './watch/standing.ts'

/**
 * Records of one partition in offset order; `next` counts control records and is committed once the
 * batch is done.
 */
export interface Batch extends TopicPartition {
  readonly records: readonly LogRecord[]
  readonly next: number
}

/**
 * A partition whose cursor moves together with records, under a transactional id of its own. A
 * LogError `fenced` of any of its steps closes it until the group has assigned it again in a newer
 * generation, `unknown` opens it anew at once; after anything else the same step is repeated.
 */
export interface PartitionOwner {
  /** Fences whoever had the partition, before the cursor is read. Also after every doubt. */
  open(): Promise<void>
  /** As `ConsumeOptions.handle`. */
  handle(batch: Batch): Promise<void>
  /** Synchronous. The batch is handled; its cursor moves later, with those of batches after it. */
  done(batch: Batch): void
  /** Moves the cursor past all that is done, in one transaction with what belongs to it. */
  commit(cursor: Cursor): Promise<void>
  /** Synchronous. The group has a new generation: what was proven of the ownership is too old. */
  doubt(): void
  close(): Promise<void>
}

export interface ConsumeOptions {
  readonly log: LogClient
  readonly group: string
  readonly topics: readonly string[]
  /**
   * At least once: the cursor moves only after this resolves, at an interval. A rejection is a
   * transient fault: the same batch is given again after a back-off, for as long as it takes, and
   * only its partition waits. Must be idempotent.
   */
  readonly handle: (batch: Batch) => Promise<void>
  /** Who owns a partition more strictly than by its cursor; undefined: nobody. */
  readonly ownerOf?: (at: TopicPartition) => PartitionOwner | undefined
  /** Records in one batch at most; each partition buffers twice as many before it is paused. */
  readonly recordsMax: number
  readonly sleep: Sleep
  readonly random: () => number
  /**
   * Why a partition is held back on purpose, such as a receiver that is away and for which `handle`
   * waits: the position watch then expects no movement.
   */
  readonly excuse?: (at: TopicPartition) => string | undefined
  readonly onFault?: (at: TopicPartition, error: unknown, attempt: number) => void
  /**
   * The log gives no more of this partition, also when it was opened anew: it stands still and
   * needs a person. The others go on.
   */
  readonly onStopped?: (at: TopicPartition, error: LogError) => void
  /** The consumer has ended: the process should stop. */
  readonly onFailed: (error: unknown) => void
}

export interface Consumption {
  /** True once the group has assigned partitions (possibly none) to this member. */
  readonly joined: () => boolean
  /** Partitions held here that stand still until a person has looked. */
  readonly failed: () => readonly TopicPartition[]
  /** Records read and not yet done, by `partitionKey`. */
  readonly buffered: () => ReadonlyMap<string, number>
  /** How each partition held here stands, for a position watch. */
  standings(): readonly Standing[]
  close(): Promise<void>
}

/**
 * Joins the group and hands batches over, one partition independent of the other. A new partition
 * begins at its cursor, at its first record when it has none.
 */
export async function consume(options: ConsumeOptions): Promise<Consumption> {
  const consumption = new PartitionedConsumption(options)
  await consumption.start()
  return consumption
}

class PartitionedConsumption implements Consumption {
  readonly #options: ConsumeOptions
  readonly #readers = new Map<string, PartitionReader>()
  /** Readers of lost partitions that finish what they have in hand. */
  readonly #leaving = new Set<Promise<void>>()
  readonly #consumer: LogConsumer
  readonly #cursors: PacedCursors
  #joined = false
  #isClosing = false

  constructor(options: ConsumeOptions) {
    this.#options = options
    this.#consumer = options.log.consumer({
      group: options.group,
      topics: options.topics,
      onAssigned: (held, generation) => this.#assigned(held, generation),
      onRecords: (at, records, next) => this.#readers.get(partitionKey(at))?.offer(records, next),
      onStopped: (at, error) => this.#readers.get(partitionKey(at))?.stopped(error),
      onRebalancing: () => this.#cursors.flush(),
      onFailed: options.onFailed,
    })
    this.#cursors = new PacedCursors({
      ...options,
      commit: (cursors) => this.#consumer.commit(cursors),
      movers: () => this.#cursorsHeld(),
    })
  }

  *#cursorsHeld(): Iterable<Mover> {
    for (const { cursor } of this.#readers.values()) yield cursor
  }

  start(): Promise<void> {
    this.#cursors.start()
    return this.#consumer.start()
  }

  joined(): boolean {
    return this.#joined
  }

  failed(): readonly TopicPartition[] {
    return [...this.#readers.values()].filter((one) => one.hasFailed).map((one) => one.standing().at)
  }

  buffered(): ReadonlyMap<string, number> {
    return new Map([...this.#readers].map(([key, reader]) => [key, reader.buffered]))
  }

  standings(): readonly Standing[] {
    return [...this.#readers.values()].map((reader) => reader.standing())
  }

  /** Waits for the batches in hand, whose cursors are committed before the group is left. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()))
    await Promise.all(this.#leaving)
    await this.#cursors.close()
    await this.#consumer.stop()
  }

  /** One that closes lets go of what it has lost, and takes nothing more. */
  #assigned(held: readonly TopicPartition[], generation: number): void {
    this.#joined = true
    const wanted = new Map(held.map((at) => [partitionKey(at), at]))
    for (const [key, reader] of this.#readers) {
      if (wanted.has(key)) continue
      this.#readers.delete(key)
      this.#leave(reader)
    }
    for (const [key, at] of wanted) {
      const kept = this.#readers.get(key)
      if (kept !== undefined) kept.heldIn(generation)
      else if (!this.#isClosing) this.#open(at, generation)
    }
  }

  #open(at: TopicPartition, generation: number): void {
    const reader = new PartitionReader({
      ...this.#options,
      at,
      generation,
      consumer: this.#consumer,
      cursors: this.#cursors,
    })
    this.#readers.set(partitionKey(at), reader)
    reader.start()
  }

  #leave(reader: PartitionReader): void {
    const left = reader.close().finally(() => this.#leaving.delete(left))
    this.#leaving.add(left)
  }
}
