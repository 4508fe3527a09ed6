import type { Clock } from '../clock.ts'
import { Wake } from '../task/wake.ts'

export interface TempoLimits {
  /** Least time between the starts of two transactions under load. */
  readonly commitMs: number
  /** The same while there is little to do. */
  readonly quietCommitMs: number
}

/** A transaction takes no more than this share of the time, while it can be had. */
const SHARE = 1 / 2

/**
 * When the tasks of a process begin their rounds, and when a transaction takes what they have come
 * to. What a transaction costs hardly depends on what it holds, so few are made: the rounds of all
 * tasks that have work begin together, the later the longer the last transaction took, up to a
 * bound. With little to do they begin almost at once.
 */
export class Tempo {
  readonly #clock: Clock
  readonly #limits: TempoLimits
  readonly #wake: Wake
  /** When the first round began of those that the last transaction took, or the next one takes. */
  #beganMs = Number.NEGATIVE_INFINITY
  #isCollecting = false
  #hasParts = false
  #startedMs = 0
  #tookMs = 0
  readonly #rounds = new Set<string>()
  /** Tasks that wait with work, and how they are told that rounds begin. */
  readonly #wanting = new Map<string, () => void>()

  constructor(clock: Clock, limits: TempoLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#wake = new Wake(clock)
  }

  /** Until a round may begin that is not full; in company at once. */
  get pauseMs(): number {
    if (this.#isCollecting) return 0
    const { commitMs, quietCommitMs } = this.#limits
    return Math.min(commitMs, Math.max(quietCommitMs, this.#tookMs / SHARE)) - this.#sinceMs
  }

  /** The task has work and waits; it is told when the others begin. */
  wants(task: string, onBegin: () => void): void {
    this.#wanting.set(task, onBegin)
  }

  /** The task has no work, or cannot get at it. */
  wantsNot(task: string): void {
    if (this.#wanting.delete(task)) this.notify()
  }

  /** Begins when it is time, or in company, unless it has begun. */
  async turn(task: string): Promise<void> {
    if (this.#rounds.has(task)) return
    const wake = new Wake(this.#clock)
    while (this.pauseMs > 0) {
      this.wants(task, () => wake.notify())
      await wake.wait(this.pauseMs)
    }
    this.roundBegins(task)
  }

  /** The task will have something to commit. */
  roundBegins(task: string): void {
    this.#wanting.delete(task)
    this.#rounds.add(task)
    if (this.#isCollecting) return
    this.#beganMs = this.#nowMs
    this.#isCollecting = true
    for (const onBegin of this.#wanting.values()) onBegin()
  }

  roundEnds(task: string): void {
    this.#rounds.delete(task)
    if (this.#rounds.size === 0 && !this.#hasParts) this.#isCollecting = false
    this.notify()
  }

  /** There is something to commit. */
  handedIn(): void {
    this.#hasParts = true
    this.notify()
  }

  notify(): void {
    this.#wake.notify()
  }

  /**
   * Waits for the rounds under way, and those about to begin, of tasks that have handed in nothing
   * yet, but not for long.
   */
  async untilCollected(hasHandedIn: (task: string) => boolean): Promise<void> {
    for (;;) {
      const patienceMs = this.#limits.commitMs - this.#sinceMs
      if (patienceMs <= 0 || [...this.#rounds, ...this.#wanting.keys()].every(hasHandedIn)) return
      await this.#wake.wait(patienceMs)
    }
  }

  /** Something has to change first. */
  untilNotified(): Promise<void> {
    return this.#wake.wait(Number.POSITIVE_INFINITY)
  }

  begins(): void {
    this.#isCollecting = false
    this.#hasParts = false
    this.#startedMs = this.#nowMs
  }

  ends(): void {
    this.#tookMs = Math.max(0, this.#nowMs - this.#startedMs)
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
