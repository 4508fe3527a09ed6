import { Places } from './places.ts'

/** [ST3]: after a throttle the window is halved, and grows by one per this time without another. */
const GROW_MS = 10_000
/**
 * PDUs that are marked in the journal while the window is full: so many are sure to find a place
 * soon. More would only be in doubt for nothing after a crash.
 */
const aheadOf = (limit: number): number => 1 + Math.ceil(limit / 4)

/**
 * At most `limit` unanswered PDUs of one operator [S6]; first come, first served. The limit is a
 * single number that only `throttled` and time change. So there are no states: it stands at the
 * configured size, or below it and growing.
 */
export class Window {
  readonly #size: number
  readonly #now: () => number
  readonly #unanswered = new Places(() => this.limit)
  readonly #line = new Places(() => this.limit + aheadOf(this.limit))
  #reducedTo: number
  #reducedAt = Number.NEGATIVE_INFINITY

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
   * Resolves to true when a PDU may be made ready, until `withdraw`; false when `signal` aborts
   * first.
   */
  approach(signal: AbortSignal): Promise<boolean> {
    return this.#line.acquire(signal)
  }

  withdraw(): void {
    this.#line.release()
  }

  /** Resolves to true with a place for a PDU, until `release`; false when `signal` aborts first. */
  acquire(signal: AbortSignal): Promise<boolean> {
    return this.#unanswered.acquire(signal)
  }

  release(): void {
    this.#unanswered.release()
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
}
