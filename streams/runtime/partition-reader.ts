import {
  LogError,
  partitionKey,
  type Cursor,
  type LogConsumer,
  type LogRecord,
  type TopicPartition,
} from '../log/port.ts'
import { backoffMs } from '../platform/backoff.ts'
import type { Batch, ConsumeOptions, PartitionOwner } from './consume.ts'
import { metadataOf, startFrom } from './consumer-cursor.ts'
import { bytesOf } from './task/inputs.ts'
import type { Standing } from './watch/standing.ts'

/** A reader is paused at this much, whatever the number of records; one fetch may come on top. */
const READER_BYTES_MAX = 8 * 1024 * 1024

const RETRY = { firstMs: 100, maxMs: 30_000, jitter: 0.2 }
/** By then the group has most likely said whose a fenced partition is. */
const FENCED_WAIT = { firstMs: 2_000, maxMs: 30_000, jitter: 0.2 }

type Step = 'done' | 'stopped' | LogError

/** One partition: a bounded buffer and a loop that hands batches over and then moves the cursor. */
export class PartitionReader {
  readonly #at: TopicPartition
  readonly #options: ConsumeOptions
  readonly #consumer: LogConsumer
  readonly #owner: PartitionOwner | undefined
  readonly #stop = new AbortController()
  #records: LogRecord[] = []
  #bytes = 0
  #offered = 0
  #paused = false
  #isOpen = false
  #metadata = ''
  /** A cursor that could not be moved, and how often that was tried. */
  #unmoved: { readonly next: number; readonly attempts: number } | undefined
  /** How often in a row the ownership was in doubt. */
  #doubts = 0
  #generation: number
  #openedIn = Number.NEGATIVE_INFINITY
  /** Attempts that failed: as long as there are more of them, the reader is not stuck. */
  #attempts = 0
  #isFailing = false
  #wake: (() => void) | undefined
  #done: Promise<void> = Promise.resolve()

  constructor(at: TopicPartition, options: ConsumeOptions, consumer: LogConsumer, generation: number) {
    this.#at = at
    this.#options = options
    this.#consumer = consumer
    this.#generation = generation
    this.#owner = options.ownerOf?.(at)
  }

  get buffered(): number {
    return this.#records.length
  }

  start(): void {
    this.#done = this.#run()
  }

  /** The group has left the partition here in a newer generation. */
  heldIn(generation: number): void {
    this.#generation = generation
    this.#owner?.doubt()
    this.#wake?.()
  }

  offer(records: readonly LogRecord[], next: number): void {
    if (!this.#isOpen) return
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
    await this.#owner?.close()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const opened = await this.#insist(() => this.#open())
      const ended = opened === 'done' ? await this.#work() : opened
      if (!(ended instanceof LogError)) return
      this.#shut()
      this.#doubts += 1
      if (ended.code === 'fenced') await this.#newerGeneration()
      else await this.#pause(backoffMs(this.#doubts, { ...RETRY, random: this.#options.random }))
    }
  }

  /** The order must not change: fence, read the cursor, seek. */
  async #open(): Promise<void> {
    const { log, group } = this.#options
    const key = partitionKey(this.#at)
    this.#openedIn = this.#generation
    await this.#owner?.open()
    const committed = await log.admin.committed(group, [this.#at])
    const bounds = (await log.admin.bounds([this.#at])).get(key) ?? { start: 0, end: 0 }
    this.#metadata = metadataOf(bounds.topicId)
    this.#offered = startFrom(committed.get(key), bounds)
    if (this.#stop.signal.aborted) return
    this.#isOpen = true
    this.#consumer.seek(this.#at, this.#offered)
    this.#consumer.resume([this.#at])
  }

  /** Somebody else may have had the partition: nothing that is in hand counts any more. */
  #shut(): void {
    this.#isOpen = false
    this.#consumer.pause([this.#at])
    this.#records = []
    this.#bytes = 0
    this.#paused = false
    this.#unmoved = undefined
  }

  /**
   * Fenced means closed until the group says otherwise. It is asked, because it need not have
   * noticed anything: a broker also fences a transaction that took too long.
   */
  async #newerGeneration(): Promise<void> {
    const { random } = this.#options
    for (let attempt = 1; this.#generation <= this.#openedIn; attempt += 1) {
      await this.#pause(backoffMs(attempt, { ...FENCED_WAIT, random }))
      if (this.#stop.signal.aborted) return
      if (this.#generation > this.#openedIn) return
      this.#attempts += 1
      this.#consumer.reassign()
    }
  }

  async #work(): Promise<Step> {
    while (!this.#stop.signal.aborted) {
      if (this.#records.length > 0) {
        const step = await this.#one()
        if (step !== 'done') return step
      } else if (this.#unmoved === undefined) await this.#pause()
      else await this.#moveLater(this.#unmoved)
    }
    return 'stopped'
  }

  async #one(): Promise<Step> {
    const records = this.#records.slice(0, this.#options.recordsMax)
    const rest = this.#records[records.length]
    const next = rest === undefined ? this.#offered : rest.offset
    const batch: Batch = { ...this.#at, records, next }
    const handled = await this.#insist(() => this.#handle(batch))
    if (handled !== 'done') return handled
    const moved = await this.#moved(batch)
    if (moved !== 'done') return moved
    this.#doubts = 0
    this.#records.splice(0, records.length)
    for (const record of records) this.#bytes -= bytesOf(record)
    this.#resumeWhenHalfEmpty()
    return 'done'
  }

  #handle(batch: Batch): Promise<void> {
    return this.#owner === undefined ? this.#options.handle(batch) : this.#owner.handle(batch)
  }

  #resumeWhenHalfEmpty(): void {
    const isHalfEmpty =
      this.#records.length <= this.#options.recordsMax && this.#bytes <= READER_BYTES_MAX / 2
    if (!this.#paused || !isHalfEmpty) return
    this.#paused = false
    this.#consumer.resume([this.#at])
  }

  /** Also of a batch that was handled while the partition was lost: it may still be ours. */
  async #moved(batch: Batch): Promise<Step> {
    const owner = this.#owner
    if (owner !== undefined) return this.#insist(() => owner.commit(batch, this.#cursor(batch.next)))
    await this.#move(batch.next, 1)
    return 'done'
  }

  /**
   * A cursor that cannot be moved now moves with the next batch, or later when none comes; until
   * then a restart repeats this one.
   */
  async #move(next: number, attempt: number): Promise<void> {
    try {
      await this.#consumer.commit([this.#cursor(next)])
      this.#unmoved = undefined
    } catch (error) {
      this.#attempts += 1
      this.#options.onFault?.(this.#at, error, attempt)
      const isOver = error instanceof LogError && error.code === 'fenced'
      this.#unmoved = isOver ? undefined : { next, attempts: attempt }
    }
  }

  async #moveLater({ next, attempts }: { next: number; attempts: number }): Promise<void> {
    const { random } = this.#options
    await this.#pause(backoffMs(attempts, { ...RETRY, random }))
    if (this.#records.length === 0 && !this.#stop.signal.aborted) await this.#move(next, attempts + 1)
  }

  #cursor(next: number): Cursor {
    return { ...this.#at, next, metadata: this.#metadata }
  }

  /** Until there is something new: records, a generation, the end; or until the time is over. */
  #pause(waitMs?: number): Promise<void> {
    const over = new AbortController()
    const woken = new Promise<void>((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        over.abort()
        resolve()
      }
      if (this.#stop.signal.aborted) this.#wake()
    })
    return waitMs === undefined ? woken : Promise.race([woken, this.#options.sleep(waitMs, over.signal)])
  }

  /**
   * Repeats a step until it succeeds, at least once. It ends early when the partition was taken
   * away, and for an owner by what its log says of the ownership.
   */
  async #insist(step: () => Promise<void>): Promise<Step> {
    const { sleep, random, onFault } = this.#options
    let attempt = 0
    do {
      attempt += 1
      try {
        await step()
        this.#isFailing = false
        return 'done'
      } catch (error) {
        this.#attempts += 1
        this.#isFailing = true
        onFault?.(this.#at, error, attempt)
        if (this.#owner !== undefined && isInDoubt(error)) return error
        await sleep(backoffMs(attempt, { ...RETRY, random }), this.#stop.signal)
      }
    } while (!this.#stop.signal.aborted)
    return 'stopped'
  }
}

const isInDoubt = (error: unknown): error is LogError =>
  error instanceof LogError && (error.code === 'fenced' || error.code === 'unknown')
