import {
  partitionKey,
  type LogClient,
  type LogConsumer,
  type LogRecord,
  type TopicPartition,
} from '../log/port.ts'
import { backoffMs, type Sleep } from '../platform/backoff.ts'
import { bytesOf } from './task/inputs.ts'
import type { Standing } from './watch/standing.ts'

/**
 * Records of one partition in offset order; `next` counts control records and is committed once the
 * batch is done.
 */
export interface Batch extends TopicPartition {
  readonly records: readonly LogRecord[]
  readonly next: number
}

export interface ConsumeOptions {
  readonly log: LogClient
  readonly group: string
  readonly topics: readonly string[]
  /**
   * At least once: the cursor moves only after this resolves. A rejection is a transient fault: the
   * same batch is given again after a back-off, for as long as it takes, and only its partition
   * waits. Must be idempotent.
   */
  readonly handle: (batch: Batch) => Promise<void>
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
  /** The consumer has ended: the process should stop. */
  readonly onFailed: (error: unknown) => void
}

export interface Consumption {
  /** True once the group has assigned partitions (possibly none) to this member. */
  readonly joined: () => boolean
  /** Records read and not yet done, by `partitionKey`. */
  readonly buffered: () => ReadonlyMap<string, number>
  /** How each partition held here stands, for a position watch. */
  standings(): readonly Standing[]
  close(): Promise<void>
}

/** A reader is paused at this much, whatever the number of records; one fetch may come on top. */
export const READER_BYTES_MAX = 8 * 1024 * 1024

const RETRY = { firstMs: 100, maxMs: 30_000, jitter: 0.2 }

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
  readonly #consumer: LogConsumer
  #joined = false

  constructor(options: ConsumeOptions) {
    this.#options = options
    this.#consumer = options.log.consumer({
      group: options.group,
      topics: options.topics,
      onAssigned: (held) => this.#assigned(held),
      onRecords: (at, records, next) => this.#readers.get(partitionKey(at))?.offer(records, next),
      onFailed: options.onFailed,
    })
  }

  start(): Promise<void> {
    return this.#consumer.start()
  }

  joined(): boolean {
    return this.#joined
  }

  buffered(): ReadonlyMap<string, number> {
    return new Map([...this.#readers].map(([key, reader]) => [key, reader.buffered]))
  }

  standings(): readonly Standing[] {
    return [...this.#readers.values()].map((reader) => reader.standing())
  }

  /** Waits for the batches in hand, whose cursors are committed before the group is left. */
  async close(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()))
    this.#readers.clear()
    await this.#consumer.stop()
  }

  #assigned(held: readonly TopicPartition[]): void {
    this.#joined = true
    const wanted = new Map(held.map((at) => [partitionKey(at), at]))
    for (const [key, reader] of this.#readers) {
      if (wanted.has(key)) continue
      this.#readers.delete(key)
      void reader.close()
    }
    for (const [key, at] of wanted) {
      if (this.#readers.has(key)) continue
      const reader = new PartitionReader(at, this.#options, this.#consumer)
      this.#readers.set(key, reader)
      reader.start()
    }
  }
}

/** One partition: a bounded buffer and a loop that hands batches over and then moves the cursor. */
class PartitionReader {
  readonly #at: TopicPartition
  readonly #options: ConsumeOptions
  readonly #consumer: LogConsumer
  readonly #stop = new AbortController()
  #records: LogRecord[] = []
  #bytes = 0
  #offered = 0
  #paused = false
  #isOpen = false
  /** Attempts that failed: as long as there are more of them, the reader is not stuck. */
  #attempts = 0
  #isFailing = false
  #wake: (() => void) | undefined
  #done: Promise<void> = Promise.resolve()

  constructor(at: TopicPartition, options: ConsumeOptions, consumer: LogConsumer) {
    this.#at = at
    this.#options = options
    this.#consumer = consumer
  }

  get buffered(): number {
    return this.#records.length
  }

  start(): void {
    this.#done = this.#run()
  }

  offer(records: readonly LogRecord[], next: number): void {
    for (const record of records) {
      if (record.offset < this.#offered) continue
      this.#records.push(record)
      this.#bytes += bytesOf(record)
    }
    this.#offered = Math.max(this.#offered, next)
    const isFull = this.#records.length >= 2 * this.#options.recordsMax || this.#bytes >= READER_BYTES_MAX
    if (isFull && !this.#paused) {
      this.#paused = true
      this.#consumer.pause([this.#at])
    }
    this.#wake?.()
  }

  standing(): Standing {
    const { group, excuse } = this.#options
    return {
      at: this.#at,
      reader: group,
      next: this.#isOpen ? (this.#records[0]?.offset ?? this.#offered) : undefined,
      isBusy: !this.#isOpen,
      signs: this.#attempts,
      doing: this.#isFailing ? 'recovering' : this.#isOpen ? 'running' : 'opening',
      excuse: excuse?.(this.#at),
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake?.()
    await this.#done
  }

  async #run(): Promise<void> {
    if (!(await this.#insist(() => this.#begin()))) return
    while (!this.#stop.signal.aborted) {
      if (this.#records.length === 0) await this.#more()
      else await this.#one()
    }
  }

  async #begin(): Promise<void> {
    const { log, group } = this.#options
    const key = partitionKey(this.#at)
    const committed = await log.admin.committed(group, [this.#at])
    const bounds = await log.admin.bounds([this.#at])
    const start = bounds.get(key)?.start ?? 0
    this.#offered = Math.max(start, committed.get(key)?.next ?? start)
    if (this.#stop.signal.aborted) return
    this.#isOpen = true
    this.#consumer.seek(this.#at, this.#offered)
    this.#consumer.resume([this.#at])
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
      if (this.#stop.signal.aborted) this.#wake()
    })
  }

  async #one(): Promise<void> {
    const records = this.#records.slice(0, this.#options.recordsMax)
    const rest = this.#records[records.length]
    const next = rest === undefined ? this.#offered : rest.offset
    const batch: Batch = { ...this.#at, records, next }
    if (!(await this.#insist(() => this.#options.handle(batch)))) return
    await this.#commit(next)
    this.#records.splice(0, records.length)
    for (const record of records) this.#bytes -= bytesOf(record)
    const isHalfEmpty =
      this.#records.length <= this.#options.recordsMax && this.#bytes <= READER_BYTES_MAX / 2
    if (this.#paused && isHalfEmpty) {
      this.#paused = false
      this.#consumer.resume([this.#at])
    }
  }

  /**
   * A cursor that cannot be moved now moves with the next batch; until then a restart repeats this
   * one.
   */
  async #commit(next: number): Promise<void> {
    try {
      await this.#consumer.commit([{ ...this.#at, next, metadata: '' }])
    } catch (error) {
      this.#options.onFault?.(this.#at, error, 1)
    }
  }

  /** Repeats a step until it succeeds; false when the partition was taken away first. */
  async #insist(step: () => Promise<void>): Promise<boolean> {
    const { sleep, random, onFault } = this.#options
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      try {
        await step()
        this.#isFailing = false
        return true
      } catch (error) {
        this.#attempts += 1
        this.#isFailing = true
        onFault?.(this.#at, error, attempt)
        await sleep(backoffMs(attempt, { ...RETRY, random }), this.#stop.signal)
      }
    }
    return false
  }
}
