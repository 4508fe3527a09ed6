import type { RowChange, Store, StoredTimer } from '../store/store.ts'
import type { Inputs } from './inputs.ts'
import { timerId } from './timer-queue.ts'

/**
 * When a task has a timer to fire. Not simply when the wall clock has passed it: a timer fires when
 * everything has been handled that the log held when it became due. Else an outage, or a slow
 * moment, would give up on what the log has already answered. Where inputs have nothing older that
 * waits, that takes a sight of their ends that is not older than the timer.
 */
export class DueTimers {
  readonly #inputs: Inputs
  /** Earliest entry of the timer index, stale ones included. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(inputs: Inputs) {
    this.#inputs = inputs
  }

  async open(store: Store): Promise<void> {
    this.#nextMs = await store.nextDueMs()
  }

  armed(dueMs: number): void {
    this.#inputs.seenBefore(dueMs)
    this.#nextMs = Math.min(this.#nextMs, dueMs)
  }

  /** A timer is due, and only another sight can tell whether it may fire. */
  needSight(nowMs: number): boolean {
    return this.#nextMs <= nowMs && this.#inputs.needSightFor(this.#nextMs, nowMs)
  }

  areDue(nowMs: number): boolean {
    return this.#nextMs <= nowMs && this.#inputs.vouchFor(this.#nextMs, nowMs)
  }

  /** Until when there is nothing to do without a new record. */
  waitMs(nowMs: number): number {
    return this.#nextMs > nowMs ? this.#nextMs - nowMs : Number.POSITIVE_INFINITY
  }

  /** The index may have some. */
  mayBeDue(nowMs: number): boolean {
    return this.#nextMs <= nowMs
  }

  /** Entries up to an instant, earliest first; none when none is that early. */
  async upTo(store: Store, untilMs: number, limit: number): Promise<readonly StoredTimer[]> {
    return this.#nextMs <= untilMs ? store.dueTimers(untilMs, limit) : []
  }

  /**
   * After a round: what fired is out of the index, and so is what turned out to be stale, unless
   * the round has armed it again.
   */
  async taken(
    store: Store,
    stale: readonly StoredTimer[],
    changes: readonly RowChange[],
    nowMs: number,
  ): Promise<void> {
    if (stale.length > 0) {
      const armed = new Set(changes.flatMap((change) => change.armed.map(timerId)))
      await store.dropTimers(stale.filter((timer) => !armed.has(timerId(timer))))
    }
    if (this.#nextMs <= nowMs) this.#nextMs = await store.nextDueMs()
  }
}
