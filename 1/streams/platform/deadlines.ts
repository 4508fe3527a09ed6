export interface DeadlinesOptions<K> {
  /** Monotonic, in ms. */
  readonly now: () => number
  readonly onExpired: (key: K) => void
}

interface Lane<K> {
  /** When each is due, in that order: all of a lane wait equally long. */
  readonly due: Map<K, number>
  timer: NodeJS.Timeout | undefined
}

/**
 * Deadlines of thousands of requests a second. A timer for each costs more than the request, so
 * those that wait equally long share one, which looks at the oldest. There are as many lanes as
 * there are durations: few, because they come from the configuration.
 */
export class Deadlines<K> {
  readonly #options: DeadlinesOptions<K>
  readonly #lanes = new Map<number, Lane<K>>()

  constructor(options: DeadlinesOptions<K>) {
    this.#options = options
  }

  /** `key` must not have a deadline already. */
  set(key: K, afterMs: number): void {
    const lane = this.#lanes.get(afterMs) ?? { due: new Map<K, number>(), timer: undefined }
    this.#lanes.set(afterMs, lane)
    lane.due.set(key, this.#options.now() + afterMs)
    lane.timer ??= setTimeout(() => this.#look(lane), afterMs)
  }

  delete(key: K): void {
    for (const { due } of this.#lanes.values()) if (due.delete(key)) return
  }

  clear(): void {
    for (const lane of this.#lanes.values()) {
      clearTimeout(lane.timer)
      lane.timer = undefined
      lane.due.clear()
    }
  }

  #look(lane: Lane<K>): void {
    lane.timer = undefined
    const now = this.#options.now()
    for (const [key, dueAt] of lane.due) {
      if (dueAt > now) {
        lane.timer ??= setTimeout(() => this.#look(lane), Math.ceil(dueAt - now))
        return
      }
      lane.due.delete(key)
      this.#options.onExpired(key)
    }
  }
}
