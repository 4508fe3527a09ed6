import type { Inputs } from './inputs.ts'
import type { Store, StoredTimer } from './store.ts'

/**
 * Which timers of a task may fire. Not simply those that the wall clock has passed: no timer overtakes a record that waits,
 * nor the backlog found at take-over. Else a restart after an outage would give up on what the log has already answered.
 */
export class DueTimers {
  readonly #inputs: Inputs
  /** Ends of the inputs when the task opened, until they are reached. */
  readonly #backlog = new Map<string, number>()
  /** Earliest entry of the timer index, stale ones included. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(inputs: Inputs) {
    this.#inputs = inputs
  }

  async open(store: Store): Promise<void> {
    this.#backlog.clear()
    this.#nextMs = await store.nextDueMs()
  }

  /** The input has records from `next` up to `end` that were there before the task opened. */
  behind(topic: string, next: number, end: number): void {
    if (end > next) this.#backlog.set(topic, end)
  }

  armed(dueMs: number): void {
    this.#nextMs = Math.min(this.#nextMs, dueMs)
  }

  areDue(nowMs: number): boolean {
    return this.#nextMs <= this.#horizonMs(nowMs)
  }

  /** Until when there is nothing to do without a new record. */
  waitMs(nowMs: number): number {
    return this.#backlog.size > 0 ? Number.POSITIVE_INFINITY : this.#nextMs - nowMs
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
    const positions = this.#inputs.positions()
    for (const [topic, end] of this.#backlog) {
      if ((positions.get(topic) ?? 0) >= end) this.#backlog.delete(topic)
    }
    return this.#backlog.size > 0 ? Number.NEGATIVE_INFINITY : Math.min(nowMs, this.#inputs.horizonMs())
  }
}
