import { onAbort } from '../wait.ts'

/** So many at a time, the others in the order in which they came. */
export class Places {
  readonly #limit: () => number
  #taken = 0
  // Bounded by the commands in work.
  readonly #waiting: (() => void)[] = []

  /** `limit` may change at any time; it counts when somebody comes or goes. */
  constructor(limit: () => number) {
    this.#limit = limit
  }

  get taken(): number {
    return this.#taken
  }

  /**
   * Resolves to true with a place, which `release` gives back, or to false when `signal` aborts
   * first.
   */
  acquire(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false)
    if (this.#taken < this.#limit() && this.#waiting.length === 0) {
      this.#taken += 1
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const admit = (): void => {
        forget()
        this.#taken += 1
        resolve(true)
      }
      const refuse = (): void => {
        const at = this.#waiting.indexOf(admit)
        if (at !== -1) this.#waiting.splice(at, 1)
        resolve(false)
      }
      this.#waiting.push(admit)
      const forget = onAbort(signal, refuse)
    })
  }

  release(): void {
    this.#taken -= 1
    while (this.#taken < this.#limit()) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next()
    }
  }
}
