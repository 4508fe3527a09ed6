import type { Cursor, LogConsumer } from '../../log/port.ts'
import { backoffMs, NO_LONGER, type Sleep } from '../../platform/backoff.ts'
import type { ConsumeOptions } from '../consume.ts'

/** Between two commits of a busy reader; the first record after a quiet time waits for none. */
export const CURSORS_EVERY_MS = 1_000
/**
 * So many records are not left waiting: with those in hand they are what a crash repeats, and what
 * the lag of a group shows too much.
 */
export const CURSORS_RECORDS_MAX = 500

const RETRY = { firstMs: 100, maxMs: 30_000, jitter: 0.2 }

/** Who reads one partition and is further than the group knows. */
export interface Mover {
  readonly unmoved: Cursor | undefined
  moved(cursor: Cursor): void
}

export interface PacedCursorsOptions extends Pick<ConsumeOptions, 'random' | 'onFault'> {
  readonly sleep: Sleep
  readonly commit: LogConsumer['commit']
  /** Of the partitions held now: what was done of a partition that is lost counts no more. */
  readonly movers: () => Iterable<Mover>
}

/**
 * Moves the cursors of all partitions of a consumption together, at an interval, because a request
 * a batch is what a broker notices first of many readers. The order stays: effect first, cursor
 * after. A cursor that cannot be moved now moves later; until then a restart repeats.
 */
export class PacedCursors {
  readonly #options: PacedCursorsOptions
  readonly #stop = new AbortController()
  /** Records done since the last commit began. */
  #records = 0
  #failures = 0
  #wake: (() => void) | undefined
  #last: Promise<unknown> = Promise.resolve()
  #done: Promise<void> = Promise.resolve()

  constructor(options: PacedCursorsOptions) {
    this.#options = options
  }

  start(): void {
    this.#done = this.#run()
  }

  /** So many records more are done. */
  done(records: number): void {
    this.#records += records
    this.#wake?.()
  }

  /** Moves what is done now, once; it may fail. */
  flush(): Promise<void> {
    const flushed = this.#last.then(() => this.#commit())
    this.#last = flushed
    return flushed
  }

  /** What is done by now is moved before it ends. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake?.()
    await this.#done
    await this.flush()
  }

  async #run(): Promise<void> {
    const { random } = this.#options
    while (!this.#stop.signal.aborted) {
      await this.#until(() => this.#unmoved().length > 0)
      if (this.#stop.signal.aborted) return
      await this.flush()
      const isWell = this.#failures === 0
      const pauseMs = isWell ? CURSORS_EVERY_MS : backoffMs(this.#failures, { ...RETRY, random })
      await this.#until(() => isWell && this.#records >= CURSORS_RECORDS_MAX, pauseMs)
    }
  }

  #unmoved(): readonly { readonly mover: Mover; readonly cursor: Cursor }[] {
    return [...this.#options.movers()].flatMap((mover) =>
      mover.unmoved === undefined ? [] : [{ mover, cursor: mover.unmoved }],
    )
  }

  async #commit(): Promise<void> {
    const { commit, onFault } = this.#options
    const all = this.#unmoved()
    if (all.length === 0) return
    this.#records = 0
    try {
      await commit(all.map(({ cursor }) => cursor))
      this.#failures = 0
      for (const { mover, cursor } of all) mover.moved(cursor)
    } catch (error) {
      this.#failures += 1
      for (const { cursor } of all) onFault?.(cursor, error, this.#failures)
    }
  }

  /** Looked at whenever something is done; over when it holds, after `waitMs`, and at the end. */
  async #until(holds: () => boolean, waitMs?: number): Promise<void> {
    const over = new AbortController()
    const held = new Promise<void>((resolve) => {
      this.#wake = () => {
        if (holds() || this.#stop.signal.aborted) resolve()
      }
      this.#wake()
    })
    const late = waitMs === undefined ? [] : [this.#options.sleep(waitMs, over.signal)]
    await Promise.race([held, ...late])
    this.#wake = undefined
    over.abort(NO_LONGER)
  }
}
