/** [CI3] */
export interface BreakerSettings {
  readonly windowMs: number
  /** Below this many calls in the window nothing is concluded. */
  readonly callsMin: number
  /** Share of failures (0..1) at which it opens. */
  readonly failureShare: number
  /** From opening to the one probe. */
  readonly probeAfterMs: number
}

export const ROUTING_BREAKER: BreakerSettings = {
  windowMs: 10_000,
  callsMin: 20,
  failureShare: 0.5,
  probeAfterMs: 5_000,
}

/** Permission for one call. Its holder must report the end of the call, once. */
export type Permit = (succeeded: boolean) => void

interface Slot {
  /** Number of the slice of time that the counts belong to. */
  readonly index: number
  calls: number
  failures: number
}

// The window slides in slices, so that its memory does not depend on the traffic.
const SLICES = 100

/**
 * Closed: calls pass and are counted. Open: none passes. After `probeAfterMs` one does, and its end
 * closes the breaker or opens it for as long again. The end of a call that began before the breaker
 * last changed no longer counts.
 */
export class CircuitBreaker {
  readonly #settings: BreakerSettings
  readonly #now: () => number
  #slots: Slot[] = []
  /** Counts the changes; a permit of an older one is void. */
  #generation = 0
  #openedAt: number | undefined
  #probing = false

  constructor(settings: BreakerSettings, now: () => number) {
    this.#settings = settings
    this.#now = now
  }

  /** Undefined while the circuit is open. */
  enter(): Permit | undefined {
    if (this.#openedAt === undefined) return this.#permit((succeeded) => this.#count(succeeded))
    if (this.#probing || this.#now() < this.#openedAt + this.#settings.probeAfterMs) return undefined
    this.#probing = true
    return this.#permit((succeeded) => (succeeded ? this.#close() : this.#open()))
  }

  #permit(end: (succeeded: boolean) => void): Permit {
    const generation = this.#generation
    let ended = false
    return (succeeded) => {
      if (ended || generation !== this.#generation) return
      ended = true
      end(succeeded)
    }
  }

  #count(succeeded: boolean): void {
    const slot = this.#currentSlot()
    slot.calls += 1
    if (!succeeded) slot.failures += 1
    let calls = 0
    let failures = 0
    for (const one of this.#slots) {
      calls += one.calls
      failures += one.failures
    }
    const { callsMin, failureShare } = this.#settings
    if (calls >= callsMin && failures / calls >= failureShare) this.#open()
  }

  #currentSlot(): Slot {
    const index = Math.floor(this.#now() / (this.#settings.windowMs / SLICES))
    this.#slots = this.#slots.filter((slot) => slot.index > index - SLICES)
    const last = this.#slots.at(-1)
    if (last?.index === index) return last
    const slot = { index, calls: 0, failures: 0 }
    this.#slots.push(slot)
    return slot
  }

  #open(): void {
    this.#openedAt = this.#now()
    this.#change()
  }

  #close(): void {
    this.#openedAt = undefined
    this.#change()
  }

  #change(): void {
    this.#generation += 1
    this.#probing = false
    this.#slots = []
  }
}
