import type { Inputs } from './inputs.ts'
import type { Store, StoredTimer } from './store.ts'

/**
 * Which timers of a task may fire. Not simply those that the wall clock has passed: no timer overtakes a record that waits,
 * nor the backlog found at take-over. Else a restart after an outage would give up on what the log has already answered.
 */
export class DueTimers {
  readonly #inputs: Inputs
  readonly #settleMs: number
  #openedMs = 0
  #heldUntilMs = Number.NEGATIVE_INFINITY
  /** Ends of the inputs when the task opened, until they are reached. */
  readonly #backlog = new Map<string, number>()
  /** Earliest entry of the timer index, stale ones included. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(inputs: Inputs, settleMs: number) {
    this.#inputs = inputs
    this.#settleMs = settleMs
  }

  async open(store: Store, nowMs: number): Promise<void> {
    this.#backlog.clear()
    this.#openedMs = nowMs
    this.#heldUntilMs = Number.NEGATIVE_INFINITY
    this.#nextMs = await store.nextDueMs()
  }

  /** The input has records from `next` up to `end` that were there before the task opened. */
  behind(topic: string, next: number, end: number): void {
    if (end <= next) return
    this.#backlog.set(topic, end)
    this.#heldUntilMs = this.#openedMs + this.#settleMs
  }

  armed(dueMs: number): void {
    this.#nextMs = Math.min(this.#nextMs, dueMs)
  }

  areDue(nowMs: number): boolean {
    return this.#nextMs <= this.#horizonMs(nowMs)
  }

  /** Until when there is nothing to do without a new record. */
  waitMs(nowMs: number): number {
    if (this.#backlog.size > 0) return Number.POSITIVE_INFINITY
    return Math.max(this.#nextMs, this.#isHeld(nowMs) ? this.#heldUntilMs : this.#nextMs) - nowMs
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
    if (this.#backlog.size > 0 || this.#isHeld(nowMs)) return Number.NEGATIVE_INFINITY
    return Math.min(nowMs, this.#inputs.horizonMs())
  }

  /** A clock that was set back must not hold timers for hours. */
  #isHeld(nowMs: number): boolean {
    return nowMs >= this.#openedMs && nowMs < this.#heldUntilMs
  }
}
