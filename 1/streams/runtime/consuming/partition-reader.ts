import {
  LogError,
  partitionKey,
  type Cursor,
  type LogConsumer,
  type LogRecord,
  type TopicPartition,
} from '../../log/port.ts'
import { backoffMs, NO_LONGER } from '../../platform/backoff.ts'
import type { Batch, ConsumeOptions, PartitionOwner } from '../consume.ts'
import type { PacedCursors } from './paced-cursors.ts'
import { ReaderBuffer } from './reader-buffer.ts'
import { OwnedCursor, SharedCursor, type ReaderCursor } from './reader-cursor.ts'
import { Stops } from './stops.ts'
import { metadataOf, startFrom } from './consumer-cursor.ts'
import type { Standing } from '../watch/standing.ts'

const RETRY = { firstMs: 100, maxMs: 30_000, jitter: 0.2 }
/** By then the group has most likely said whose a fenced partition is. */
const FENCED_WAIT = { firstMs: 2_000, maxMs: 30_000, jitter: 0.2 }

type Step = 'done' | 'stopped' | LogError

export interface PartitionReaderOptions extends ConsumeOptions {
  readonly at: TopicPartition
  readonly consumer: LogConsumer
  /** The generation in which the group has given the partition. */
  readonly generation: number
  readonly cursors: Pick<PacedCursors, 'done' | 'flush'>
}

/**
 * One partition: a bounded buffer and a loop that hands batches over, and says of each that it is
 * done (reader-cursor.ts).
 */
export class PartitionReader {
  readonly #at: TopicPartition
  readonly #options: PartitionReaderOptions
  readonly #consumer: LogConsumer
  readonly #owner: PartitionOwner | undefined
  readonly cursor: ReaderCursor
  readonly #stop = new AbortController()
  readonly #buffer: ReaderBuffer
  #paused = false
  #isOpen = false
  #metadata = ''
  #stopped: LogError | undefined
  readonly #stops = new Stops()
  #hasFailed = false
  /** How often in a row the ownership was in doubt. */
  #doubts = 0
  #generation: number
  #openedIn = Number.NEGATIVE_INFINITY
  /** Attempts that failed: as long as there are more of them, the reader is not stuck. */
  #attempts = 0
  #isFailing = false
  #wake: (() => void) | undefined
  #done: Promise<void> = Promise.resolve()

  constructor(options: PartitionReaderOptions) {
    this.#at = options.at
    this.#options = options
    this.#consumer = options.consumer
    this.#generation = options.generation
    this.#buffer = new ReaderBuffer(options.recordsMax)
    this.#owner = options.ownerOf?.(options.at)
    this.cursor = this.#owner === undefined ? new SharedCursor(options.cursors) : this.#ownedBy(this.#owner)
  }

  #ownedBy(owner: PartitionOwner): OwnedCursor {
    const { sleep } = this.#options
    return new OwnedCursor({ owner, sleep, stop: this.#stop.signal, onDue: () => this.#wake?.() })
  }

  get buffered(): number {
    return this.#buffer.size
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  start(): void {
    this.#done = this.#run().then(() => this.#leave())
  }

  /** The group has left the partition here in a newer generation. */
  heldIn(generation: number): void {
    this.#generation = generation
    this.#owner?.doubt()
    this.#wake?.()
  }

  offer(records: readonly LogRecord[], next: number): void {
    if (!this.#isOpen) return
    this.#buffer.add(records, next)
    if (this.#buffer.isFull && !this.#paused) {
      this.#paused = true
      this.#consumer.pause([this.#at])
    }
    this.#wake?.()
  }

  /** The log gives no more until the partition is sought. What has come is done first. */
  stopped(error: LogError): void {
    if (!this.#isOpen) return
    this.#stopped = error
    this.#wake?.()
  }

  standing(): Standing {
    const { group, excuse } = this.#options
    return {
      at: this.#at,
      reader: group,
      next: this.#isOpen ? this.#buffer.next : undefined,
      isBusy: !this.#isOpen,
      signs: this.#attempts,
      doing: this.#doing(),
      excuse: this.#hasFailed ? 'failed' : excuse?.(this.#at),
    }
  }

  #doing(): string {
    if (this.#hasFailed) return 'failed'
    return this.#isFailing ? 'recovering' : this.#isOpen ? 'running' : 'opening'
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
      if (ended === this.#stopped && !this.#mayOpenAgain(ended)) return
      this.#shut()
      this.#doubts += 1
      if (ended.code === 'fenced') await this.#newerGeneration()
      else await this.#pause(backoffMs(this.#doubts, { ...RETRY, random: this.#options.random }))
    }
  }

  async #leave(): Promise<void> {
    if (this.#isOpen) await this.#insist(() => this.cursor.leave())
  }

  /** Where that does not help this partition ends here, loudly, because nothing is skipped. */
  #mayOpenAgain(error: LogError): boolean {
    const { onFault, onStopped } = this.#options
    this.#hasFailed = !this.#stops.mayOpenAgain(this.#buffer.next)
    this.#attempts += 1
    if (this.#hasFailed) onStopped?.(this.#at, error)
    else onFault?.(this.#at, error, this.#stops.inRow)
    return !this.#hasFailed
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
    const next = startFrom(committed.get(key), bounds)
    this.#buffer.reset(next)
    if (this.#stop.signal.aborted) return
    this.#isOpen = true
    this.#consumer.seek(this.#at, next)
    this.#consumer.resume([this.#at])
  }

  /** Somebody else may have had the partition: nothing that is in hand counts any more. */
  #shut(): void {
    this.#isOpen = false
    this.#consumer.pause([this.#at])
    this.#buffer.reset(0)
    this.#paused = false
    this.cursor.forget()
    this.#stopped = undefined
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
      if (this.cursor.isDue || this.#buffer.size > 0) {
        const step = this.cursor.isDue ? await this.#commit() : await this.#one()
        if (step !== 'done') return step
      } else if (this.#stopped !== undefined) return this.#atRest(this.#stopped)
      else await this.#pause()
    }
    return 'stopped'
  }

  /** What was done is not to be repeated only because the partition is opened anew. */
  async #atRest(stopped: LogError): Promise<Step> {
    const moved = await this.#commit()
    return moved === 'done' ? stopped : moved
  }

  #commit(): Promise<Step> {
    return this.#insist(() => this.cursor.commit())
  }

  async #one(): Promise<Step> {
    const batch: Batch = { ...this.#at, ...this.#buffer.batch() }
    const handled = await this.#insist(() => this.#handle(batch))
    if (handled !== 'done') return handled
    this.cursor.done(batch, this.#cursorAt(batch.next))
    this.#doubts = 0
    this.#buffer.drop(batch.records.length)
    this.#resumeWhenHalfEmpty()
    return 'done'
  }

  #handle(batch: Batch): Promise<void> {
    return this.#owner === undefined ? this.#options.handle(batch) : this.#owner.handle(batch)
  }

  #resumeWhenHalfEmpty(): void {
    if (!this.#paused || !this.#buffer.isHalfEmpty) return
    this.#paused = false
    this.#consumer.resume([this.#at])
  }

  #cursorAt(next: number): Cursor {
    return { ...this.#at, next, metadata: this.#metadata }
  }

  /** Until there is something new: records, a generation, the end; or until the time is over. */
  #pause(waitMs?: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
      if (this.#stop.signal.aborted) this.#wake()
    })
    if (waitMs === undefined) return woken
    const over = new AbortController()
    void woken.then(() => over.abort(NO_LONGER))
    return Promise.race([woken, this.#options.sleep(waitMs, over.signal)])
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
