import { NO_LONGER } from '../../platform/backoff.ts'
import type { Clock } from '../clock.ts'

/** Longest sleep: a jump of the wall clock is noticed after this at the latest. */
const LOOK_AGAIN_MS = 1000

/**
 * Lets one loop sleep until there is work or a time has come. A notification between two waits is
 * not lost.
 */
export class Wake {
  readonly #clock: Clock
  #notified = false
  #interrupt: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  notify(): void {
    this.#notified = true
    this.#interrupt?.abort(NO_LONGER)
  }

  async wait(ms: number): Promise<void> {
    if (!this.#notified) {
      this.#interrupt = new AbortController()
      await this.#clock.sleep(Math.max(0, Math.min(ms, LOOK_AGAIN_MS)), this.#interrupt.signal)
      this.#interrupt = undefined
    }
    this.#notified = false
  }
}
