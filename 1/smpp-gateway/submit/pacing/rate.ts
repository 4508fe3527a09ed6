import { BoundedMap } from '../../../streams/platform/bounded-map.ts'

/** [TP3]: what a refusal leaves of the rate, at most so often, and how fast it comes back. */
const CUT = 0.7
const CUT_MS = 1_000
const GROWTH_PER_S = 0.02
/** Of the limit: an operator that refuses everything is still asked now and then. */
const FLOOR = 0.05
/** Recipients of whose last refusal something is known; of others a refusal is about the rate. */
const RECIPIENTS_MAX = 1_000

/** What was accepted until a recipient's refusal, and for that recipient since. */
interface Refusal {
  readonly acceptedBefore: number
  ownSince: number
}

/**
 * The part of an operator's limit that is used at present. It has no states: it stands at 1, or
 * below it and growing since the last cut.
 */
export class Rate {
  readonly #now: () => number
  readonly #refusals = new BoundedMap<string, Refusal>(RECIPIENTS_MAX)
  #cutTo = 1
  #cutAt = Number.NEGATIVE_INFINITY
  #accepted = 0

  /** `now` is monotonic, in ms. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** 0 to 1. */
  get part(): number {
    return Math.min(1, this.#cutTo + ((this.#now() - this.#cutAt) / 1_000) * GROWTH_PER_S)
  }

  accepted(recipient: string): void {
    this.#accepted += 1
    const refusal = this.#refusals.get(recipient)
    if (refusal !== undefined) refusal.ownSince += 1
  }

  /**
   * The operator refused a PDU that was sent at `sentAt` because it was one too many. True when
   * that is about its recipient: since he was last refused, others were taken and he was not. Some
   * operators answer so for a single recipient, who must not slow all the others, however many
   * messages wait for him.
   */
  refused(sentAt: number, recipient: string): boolean {
    if (this.#isMeant(recipient)) return true
    const now = this.#now()
    // What was sent before the last cut says nothing about the rate since.
    if (sentAt < this.#cutAt || now - this.#cutAt < CUT_MS) return false
    this.#cutTo = Math.max(FLOOR, this.part * CUT)
    this.#cutAt = now
    return false
  }

  #isMeant(recipient: string): boolean {
    const last = this.#refusals.get(recipient)
    this.#refusals.set(recipient, { acceptedBefore: this.#accepted, ownSince: 0 })
    return last?.ownSince === 0 && this.#accepted > last.acceptedBefore
  }
}
