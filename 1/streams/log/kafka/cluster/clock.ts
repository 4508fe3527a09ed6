import { backoffMs } from '../../../platform/backoff.ts'
import type { Sleep } from '../../../platform/backoff.ts'

/** Time and randomness, handed in. */
export interface Clock {
  readonly now: () => number
  readonly sleep: Sleep
  readonly random: () => number
}

/** About what a broker takes to write the markers of the transaction before. */
const FIRST_MS = 5
const JITTER = 0.2

/** Between the steps of a transaction, whose partitions are blocked meanwhile. */
export const URGENT_MS_MAX = 100
/** Between attempts that nobody else waits for. */
export const PATIENT_MS_MAX = 1_000

/** Repeats with growing pauses until a deadline. */
export class Attempts {
  readonly #clock: Clock
  readonly #deadline: number
  readonly #maxMs: number
  #failed = 0

  /** @param deadline as `clock.now` counts */
  constructor(clock: Clock, deadline: number, maxMs: number) {
    this.#clock = clock
    this.#deadline = deadline
    this.#maxMs = maxMs
  }

  /** Waits before the next attempt; false when the deadline does not leave time for one. */
  async another(): Promise<boolean> {
    this.#failed += 1
    const { random } = this.#clock
    const pauseMs = backoffMs(this.#failed, { firstMs: FIRST_MS, maxMs: this.#maxMs, jitter: JITTER, random })
    if (this.#clock.now() + pauseMs >= this.#deadline) return false
    await this.#clock.sleep(pauseMs)
    return true
  }
}
