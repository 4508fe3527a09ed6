/** [TP3]: what a refusal leaves of the rate, at most so often, and how fast it comes back. */
const CUT = 0.7
const CUT_MS = 1_000
const GROWTH_PER_S = 0.02
/** Of the limit: an operator that refuses everything is still asked now and then. */
const FLOOR = 0.05

/**
 * The part of an operator's limit that is used at present. It has no states: it stands at 1, or
 * below it and growing since the last cut.
 */
export class Rate {
  readonly #now: () => number
  #cutTo = 1
  #cutAt = Number.NEGATIVE_INFINITY
  #hasAccepted = true

  /** `now` is monotonic, in ms. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** 0 to 1. */
  get part(): number {
    return Math.min(1, this.#cutTo + ((this.#now() - this.#cutAt) / 1_000) * GROWTH_PER_S)
  }

  accepted(): void {
    this.#hasAccepted = true
  }

  /**
   * The operator refused a PDU that was sent at `sentAt` because it was one too many. True when
   * that is about this one message: refused before, while others were accepted. Some operators
   * answer so for a single recipient, who must not slow all the others.
   */
  refused(sentAt: number, wasRefusedBefore: boolean): boolean {
    if (wasRefusedBefore && this.#hasAccepted) return true
    this.#hasAccepted = false
    const now = this.#now()
    // What was sent before the last cut says nothing about the rate since.
    if (sentAt < this.#cutAt || now - this.#cutAt < CUT_MS) return false
    this.#cutTo = Math.max(FLOOR, this.part * CUT)
    this.#cutAt = now
    return false
  }
}
