import { backoffMs } from '../../../streams/platform/backoff.ts'
import type { Tries } from '../progress.ts'

/**
 * The next delay of a command that its operator did not take ([ST2] to [ST4]), and the count with
 * it; undefined when the class gives up. The count is kept in the journal, the due time in NATS, so
 * a restart changes neither [B6].
 */
export function nextTry(
  tries: Tries,
  statusClass: keyof Tries,
  unknownRetriesMs: readonly number[],
): { readonly tries: Tries; readonly delayMs: number } | undefined {
  const count = tries[statusClass] + 1
  const delayMs =
    statusClass === 'unknown' ? unknownRetriesMs[count - 1] : backoffMs(count, DOUBLING[statusClass])
  return delayMs === undefined ? undefined : { tries: { ...tries, [statusClass]: count }, delayMs }
}

// Retries are spread by their turns; jitter would only make the delays hard to predict.
const doubling = (maxMs: number) => ({ firstMs: 1_000, maxMs, jitter: 0, random: () => 0 })
const DOUBLING = { throttle: doubling(30_000), transient: doubling(60_000) }

/**
 * No turn is further away. The rate at which a line is made says little about the rate a minute
 * later, and a command that comes too early only asks again.
 */
const TURN_MS_MAX = 60_000

/**
 * Turns for commands that come again. JetStream delivers what is due before anything that is new,
 * so without turns a crowd of refused messages would keep the new ones waiting [B6].
 */
export class RetryTurns {
  readonly #now: () => number
  readonly #savedMin: number
  /** When the turn after all those given away is due, ms. */
  #nextAt = Number.NEGATIVE_INFINITY
  #saved: number
  #savedAt: number

  /**
   * @param now monotonic, ms
   * @param savedMin commands that may come again at once: what a halted queue gives back unstarted
   */
  constructor(now: () => number, savedMin: number) {
    this.#now = now
    this.#savedMin = savedMin
    this.#saved = savedMin
    this.#savedAt = now()
  }

  /**
   * The delay until its turn, ms, for a command that has to go back. `ratePerSecond`: what of the
   * operator's rate is left to commands that come again. A line longer than a minute
   * begins anew, so that a crowd comes evenly and not all at the end of the minute.
   */
  after(ratePerSecond: number): number {
    const now = this.#now()
    const at = this.#nextAt > now + TURN_MS_MAX ? now : Math.max(now, this.#nextAt)
    this.#nextAt = at + 1_000 / ratePerSecond
    return Math.max(1, Math.ceil(at - now))
  }

  /**
   * 0 for a command that may be worked on, otherwise the delay until its turn: after an outage all
   * that became due meanwhile comes at once. Where nobody else wants the operator there are no
   * turns: it would only stand idle.
   */
  admit(ratePerSecond: number, isIdle: boolean): number {
    const now = this.#now()
    const perMs = ratePerSecond / 1_000
    const savedMax = Math.max(this.#savedMin, 1_000 * perMs)
    this.#saved = Math.min(savedMax, this.#saved + (now - this.#savedAt) * perMs)
    this.#savedAt = now
    if (this.#saved < 1) return isIdle ? 0 : this.after(ratePerSecond)
    this.#saved -= 1
    return 0
  }
}
