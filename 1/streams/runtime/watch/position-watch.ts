import { partitionKey, type LogAdmin, type TopicPartition } from '../../log/port.ts'
import type { Sleep } from '../../platform/backoff.ts'
import { Judgement, type Standing, type Stuck } from './standing.ts'

export type { Standing }

/** What reads partitions: a worker with its tasks, or a consumption with its partition readers. */
export interface Reader {
  standings(): readonly Standing[]
}

export interface PositionWatchOptions {
  readonly readers: readonly Reader[]
  readonly admin: Pick<LogAdmin, 'bounds'>
  readonly now: () => number
  readonly sleep: Sleep
  readonly hooks: PositionHooks
  /** A partition with records behind it that shows no sign of life for this long is stuck. */
  readonly stuckAfterMs: number
  readonly everyMs?: number
}

/** What the watch reports. Hooks must not throw and must not wait. */
export interface PositionHooks {
  /** Once for each time that a partition gets stuck. */
  stuck(standing: Standing, quietMs: number, behind: number): void
  moved(standing: Standing): void
  /**
   * Records up to the last stable offset that are not done, by reader and topic, of the partitions
   * held here.
   */
  lag(reader: string, topic: string, records: number): void
  /** The log has ceased to say where partitions end: nothing is judged until it does. */
  unknown(error: unknown): void
}

/** One request to each leader; often enough for a gauge that is scraped every 15 s. */
export const LOOK_EVERY_MS = 5_000
/**
 * Longer than any attempt at the log with the pause that follows it: fence 30 s, reopening 10 s, a
 * batch again after 36 s.
 */
export const STUCK_AFTER_MS = 120_000
const BOUNDS_WITHIN_MS = 10_000

/**
 * Notices by its positions a consumer that does not get on. Its process may look well for ever: a
 * handler never resolves, or a fetch loop has ended silently. Where partitions end is asked of the
 * log itself every `everyMs`, because what fetches say is no evidence once fetching is what has
 * stopped.
 *
 * It stays silent on an idle partition: control records count as read. It stays silent on a reader
 * that restores, retries or waits for answers: each step is a sign of life. It stays silent on what
 * is held back on purpose, for which the reader names an excuse, and while the log does not answer.
 * Time is what passes between two looks, at most two intervals. So neither a clock that was set nor
 * a process that was frozen makes anybody late.
 */
export class PositionWatch {
  readonly #options: PositionWatchOptions
  readonly #everyMs: number
  readonly #stop = new AbortController()
  readonly #judgement: Judgement
  #lookedMs: number
  /**
   * Labels that a lag was reported for: what is no longer held here reads 0 and not its last value.
   */
  #reported = new Map<string, readonly [string, string]>()
  #isLogAway = false
  #asking: AbortController | undefined
  #done: Promise<void> | undefined

  constructor(options: PositionWatchOptions) {
    this.#options = options
    this.#everyMs = options.everyMs ?? LOOK_EVERY_MS
    this.#judgement = new Judgement(options.stuckAfterMs)
    this.#lookedMs = options.now()
  }

  start(): this {
    this.#done ??= this.#run()
    return this
  }

  /** What is stuck now. */
  stuck(): readonly Stuck[] {
    return this.#judgement.stuck()
  }

  get isLogAway(): boolean {
    return this.#isLogAway
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#asking?.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.look()
      await this.#options.sleep(this.#everyMs, this.#stop.signal)
    }
  }

  /** One look at every partition of every reader. */
  async look(): Promise<void> {
    const { readers, hooks, now } = this.#options
    let ends: ReadonlyMap<string, number>
    try {
      ends = await this.#ends(readers.flatMap((reader) => reader.standings().map(({ at }) => at)))
      this.#isLogAway = false
    } catch (error) {
      if (this.#stop.signal.aborted) return
      if (!this.#isLogAway) hooks.unknown(error)
      this.#isLogAway = true
      this.#lookedMs = now()
      this.#judgement.excuseAll()
      return
    }
    const elapsedMs = Math.min(Math.max(0, now() - this.#lookedMs), 2 * this.#everyMs)
    this.#lookedMs = now()
    // Positions are taken after the ends: a partition that is read up to its end must never look as
    // if it were behind.
    const standings = readers.flatMap((reader) => reader.standings())
    const { stuck, moved } = this.#judgement.look(standings, ends, elapsedMs)
    for (const one of stuck) hooks.stuck(one.standing, one.quietMs, one.behind)
    for (const one of moved) hooks.moved(one.standing)
    this.#reportLag(standings, ends)
  }

  /** The last stable offset of each partition. Rejects when the log does not answer in time. */
  async #ends(held: readonly TopicPartition[]): Promise<ReadonlyMap<string, number>> {
    if (held.length === 0) return new Map()
    // Two topologies may read one topic, and a broker refuses to be asked twice for the same
    // partition.
    const at = [...new Map(held.map((one) => [partitionKey(one), one])).values()]
    const { admin, sleep } = this.#options
    const answered = new AbortController()
    this.#asking = answered
    const late = sleep(BOUNDS_WITHIN_MS, answered.signal).then(() => {
      throw new Error(`the log did not say within ${BOUNDS_WITHIN_MS} ms where partitions end`)
    })
    try {
      const bounds = await Promise.race([admin.bounds(at), late])
      return new Map([...bounds].map(([key, { end }]) => [key, end]))
    } finally {
      late.catch(() => undefined)
      answered.abort()
    }
  }

  #reportLag(standings: readonly Standing[], ends: ReadonlyMap<string, number>): void {
    const sums = new Map<string, number>()
    const reported = new Map<string, readonly [string, string]>()
    for (const { reader, at, next } of standings) {
      const end = ends.get(partitionKey(at))
      if (end === undefined || next === undefined) continue
      const id = `${reader}\0${at.topic}`
      reported.set(id, [reader, at.topic])
      sums.set(id, (sums.get(id) ?? 0) + Math.max(0, end - next))
    }
    for (const [id, [reader, topic]] of this.#reported) {
      if (!reported.has(id)) this.#options.hooks.lag(reader, topic, 0)
    }
    for (const [id, [reader, topic]] of reported) this.#options.hooks.lag(reader, topic, sums.get(id) ?? 0)
    this.#reported = reported
  }
}
