import type { Clock } from '../clock.ts'
import { Wake } from '../task/wake.ts'

export interface TempoLimits {
  /** Least time between the starts of two transactions under load. */
  readonly commitMs: number
  /** The same while there is little to do. */
  readonly quietCommitMs: number
}

/** A transaction takes no more than this share of the time. */
const SHARE = 1 / 3

/**
 * When the next transaction of a process begins. What each costs hardly depends on what it holds,
 * so few are made: the slower they are, the less often, up to a bound. With little to do the next
 * one begins almost at once.
 */
export class Tempo {
  readonly #clock: Clock
  readonly #limits: TempoLimits
  readonly #wake: Wake
  #beganMs = Number.NEGATIVE_INFINITY
  #tookMs = 0
  #rounds = 0

  constructor(clock: Clock, limits: TempoLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#wake = new Wake(clock)
  }

  /** Until a round that begins now would not be early. */
  get pauseMs(): number {
    const { commitMs, quietCommitMs } = this.#limits
    const gapMs = Math.min(commitMs, Math.max(quietCommitMs, this.#tookMs / SHARE))
    return gapMs - this.#sinceMs
  }

  /** A task has begun a round, so it will have something to commit. */
  roundBegins(): void {
    this.#rounds += 1
  }

  roundEnds(): void {
    this.#rounds -= 1
    this.notify()
  }

  /** Waits in the middle of a round for what only a transaction can bring. */
  async without(waiting: Promise<void>): Promise<void> {
    this.roundEnds()
    await waiting
    this.roundBegins()
  }

  notify(): void {
    this.#wake.notify()
  }

  /** Until it is time, and no round is under way that would only miss it; not for long. */
  async untilTime(): Promise<void> {
    for (;;) {
      const { pauseMs } = this
      const patienceMs = this.#limits.commitMs - this.#sinceMs
      if (pauseMs <= 0 && (this.#rounds === 0 || patienceMs <= 0)) return
      await this.#wake.wait(pauseMs > 0 ? pauseMs : patienceMs)
    }
  }

  /** Something has to change first. */
  untilNotified(): Promise<void> {
    return this.#wake.wait(Number.POSITIVE_INFINITY)
  }

  begins(): void {
    this.#beganMs = this.#nowMs
  }

  ends(): void {
    this.#tookMs = this.#sinceMs
  }

  get #sinceMs(): number {
    const sinceMs = this.#nowMs - this.#beganMs
    // A clock that was set back says nothing; waiting until it has caught up may take hours.
    return sinceMs < 0 ? Number.POSITIVE_INFINITY : sinceMs
  }

  get #nowMs(): number {
    return this.#clock.elapsed?.() ?? this.#clock.now()
  }
}
