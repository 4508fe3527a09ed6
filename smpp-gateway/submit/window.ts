/** [ST3]: after a throttle the window is halved, and grows by one per this time without another. */
const GROW_MS = 10_000

/**
 * At most `limit` unanswered PDUs of one operator [S6]; first come, first served. The limit is a
 * single number that only `throttled` and time change. So there are no states: it stands at the
 * configured size, or below it and growing.
 */
export class Window {
  readonly #size: number
  readonly #now: () => number
  #reducedTo: number
  #reducedAt = Number.NEGATIVE_INFINITY
  #taken = 0
  // Bounded by the commands in work, which are bounded by the durable's max_ack_pending.
  readonly #waiting: (() => void)[] = []

  constructor(size: number, now: () => number) {
    this.#size = size
    this.#reducedTo = size
    this.#now = now
  }

  get limit(): number {
    const grown = this.#reducedTo + Math.floor((this.#now() - this.#reducedAt) / GROW_MS)
    return Math.min(this.#size, grown)
  }

  /**
   * Resolves to true with a place, which `release` gives back, or to false when `signal` aborts
   * first.
   */
  acquire(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false)
    if (this.#taken < this.limit && this.#waiting.length === 0) {
      this.#taken += 1
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const admit = (): void => {
        signal.removeEventListener('abort', refuse)
        this.#taken += 1
        resolve(true)
      }
      const refuse = (): void => {
        const at = this.#waiting.indexOf(admit)
        if (at !== -1) this.#waiting.splice(at, 1)
        resolve(false)
      }
      this.#waiting.push(admit)
      signal.addEventListener('abort', refuse, { once: true })
    })
  }

  release(): void {
    this.#taken -= 1
    this.#admit()
  }

  /**
   * The operator throttled a PDU that was sent at `sentAt`. A whole window of PDUs is throttled
   * together. Those sent before the limit was halved say nothing about the new one.
   */
  throttled(sentAt: number): void {
    if (sentAt < this.#reducedAt) return
    this.#reducedTo = Math.max(1, Math.floor(this.limit / 2))
    this.#reducedAt = this.#now()
  }

  #admit(): void {
    while (this.#taken < this.limit) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next()
    }
  }
}
