import type { Inputs } from './inputs.ts'
import type { Store, StoredTimer } from '../store/store.ts'

/** The ends of all inputs, by topic, as they were at an instant of this process's clock. */
export interface Sight {
  readonly atMs: number
  readonly ends: ReadonlyMap<string, number>
}

/**
 * Which timers of a task may fire. Not simply those that the wall clock has passed: a timer fires
 * when everything has been handled that the log held when it became due. Else an outage, or a slow
 * moment, would give up on what the log has already answered. So a due timer needs a sight of the
 * inputs' ends that is not older than itself, and the inputs read up to there.
 */
export class DueTimers {
  readonly #inputs: Inputs
  #sight: Sight = { atMs: Number.NEGATIVE_INFINITY, ends: new Map() }
  /** Earliest entry of the timer index, stale ones included. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(inputs: Inputs) {
    this.#inputs = inputs
  }

  async open(store: Store): Promise<void> {
    this.#nextMs = await store.nextDueMs()
  }

  seen(sight: Sight): void {
    this.#sight = sight
  }

  armed(dueMs: number): void {
    // Armed in the millisecond of the sight, it may rest on something that came to the log after
    // it.
    if (dueMs === this.#sight.atMs) this.#sight = { ...this.#sight, atMs: dueMs - 1 }
    this.#nextMs = Math.min(this.#nextMs, dueMs)
  }

  /**
   * A timer is due of which the last sight says nothing. One sight is used up before the next is
   * taken: under a load that never ends the ends would else run away from the reader.
   */
  needSight(nowMs: number): boolean {
    if (this.#nextMs > nowMs || !this.#isReached()) return false
    // A sight from later than now was taken before the clock was set back.
    return this.#sight.atMs < this.#nextMs || this.#sight.atMs > nowMs
  }

  areDue(nowMs: number): boolean {
    return this.#nextMs <= this.#horizonMs(nowMs)
  }

  /** Until when there is nothing to do without a new record. */
  waitMs(nowMs: number): number {
    return this.#isReached() ? this.#nextMs - nowMs : Number.POSITIVE_INFINITY
  }

  async take(store: Store, nowMs: number, limit: number): Promise<readonly StoredTimer[]> {
    return this.areDue(nowMs) ? store.dueTimers(this.#horizonMs(nowMs), limit) : []
  }

  /** After a round: what fired is out of the index, and so is what turned out to be stale. */
  async taken(store: Store, stale: readonly StoredTimer[], nowMs: number): Promise<void> {
    await store.dropTimers(stale)
    if (this.#nextMs <= nowMs) this.#nextMs = await store.nextDueMs()
  }

  #horizonMs(nowMs: number): number {
    const { atMs } = this.#sight
    if (atMs > nowMs || !this.#isReached()) return Number.NEGATIVE_INFINITY
    return Math.min(atMs, this.#inputs.oldestMs())
  }

  #isReached(): boolean {
    const nextOffsets = this.#inputs.nextOffsets()
    for (const [topic, end] of this.#sight.ends) if ((nextOffsets.get(topic) ?? 0) < end) return false
    return true
  }
}
