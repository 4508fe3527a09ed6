import type { Clock } from '../clock.ts'

/** The longest that a round holds the event loop: heartbeats, fetches and answers wait for it. */
const SLICE_MS = 10
/** Steps between two looks at the clock. */
const STEPS = 8

/**
 * Lets the event loop in between two steps of a long piece of work. What the work does is the same.
 */
export class Breath {
  readonly #clock: Pick<Clock, 'now'>
  #sinceMs: number
  #steps = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#sinceMs = clock.now()
  }

  /** To be asked after each step; true: `pause` is due. */
  get isDue(): boolean {
    this.#steps += 1
    return this.#steps % STEPS === 0 && Math.abs(this.#clock.now() - this.#sinceMs) >= SLICE_MS
  }

  async pause(): Promise<void> {
    await new Promise<void>((resolve) => void setImmediate(resolve))
    this.#sinceMs = this.#clock.now()
  }

  /** Something else has just waited, and the event loop with it has gone on. */
  begin(): void {
    this.#sinceMs = this.#clock.now()
  }
}
