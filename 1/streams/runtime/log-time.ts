import type { Clock } from './clock.ts'

/**
 * The clock of this machine, as far as the log bears it out. Timers go by it. The log's own time is
 * the newest timestamp that its records have shown, and what has passed since by a clock that
 * nobody sets. A wall clock that is further ahead than `aheadMsMax` is doubted: until then this is
 * the log's time. A newer record ends the doubt. So does silence: when for `doubtMsMax` no record
 * has said otherwise, there was none, as after a night in which nothing ran.
 */
export interface LogTimeOptions {
  readonly clock: Clock
  readonly aheadMsMax: number
  readonly doubtMsMax: number
  readonly onDoubt?: (aheadMs: number) => void
}

export class LogTime {
  readonly #options: LogTimeOptions
  /** The newest time shown, and when that was by the clock that nobody sets. */
  #shown: { readonly ms: number; readonly atMs: number } | undefined
  #doubtedSinceMs: number | undefined

  constructor(options: LogTimeOptions) {
    this.#options = options
  }

  /** A record of this timestamp has just been read. Replays bear old times and say nothing. */
  saw(timestampMs: number): void {
    this.#learn(timestampMs)
    if (this.#doubtedSinceMs !== undefined) this.#doubtedSinceMs = this.#elapsedMs()
  }

  /** An earlier owner has seen it. */
  heard(timestampMs: number | undefined): void {
    if (timestampMs !== undefined) this.#learn(timestampMs)
  }

  /** The newest time shown; undefined as long as nothing was. */
  get shownMs(): number | undefined {
    return this.#shown?.ms
  }

  now(): number {
    const { clock, aheadMsMax, doubtMsMax, onDoubt } = this.#options
    const wallMs = clock.now()
    const logMs = this.#logMs()
    if (logMs === undefined || wallMs - logMs <= aheadMsMax) {
      this.#doubtedSinceMs = undefined
      return wallMs
    }
    if (this.#doubtedSinceMs === undefined) onDoubt?.(wallMs - logMs)
    this.#doubtedSinceMs ??= this.#elapsedMs()
    if (this.#elapsedMs() - this.#doubtedSinceMs < doubtMsMax) return logMs
    this.#shown = { ms: wallMs, atMs: this.#elapsedMs() }
    return wallMs
  }

  #learn(timestampMs: number): void {
    // A writer whose clock is ahead does not take this one's along.
    const ms = Math.min(timestampMs, this.#options.clock.now())
    const logMs = this.#logMs()
    if (logMs === undefined || ms > logMs) this.#shown = { ms, atMs: this.#elapsedMs() }
  }

  #logMs(): number | undefined {
    return this.#shown && this.#shown.ms + Math.max(0, this.#elapsedMs() - this.#shown.atMs)
  }

  #elapsedMs(): number {
    const { clock } = this.#options
    return clock.elapsed?.() ?? clock.now()
  }
}
