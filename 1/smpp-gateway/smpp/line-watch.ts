export interface LineTimings {
  /** Silence after which the peer is asked for a sign of life. */
  readonly enquireLinkMs: number
  /** Further silence after which the line counts as dead. */
  readonly enquireLinkTimeoutMs: number
}

export interface LineEvents {
  ask(): void
  dead(): void
}

/**
 * Whether the line to a peer is alive [B10]. Any PDU proves it, and not only the answer to
 * enquire_link: an operator that floods us with receipts may answer that one late.
 */
export class LineWatch {
  readonly #timings: LineTimings
  readonly #events: LineEvents
  #timer: NodeJS.Timeout | undefined
  #isAsked = false

  constructor(timings: LineTimings, events: LineEvents) {
    this.#timings = timings
    this.#events = events
  }

  start(): void {
    this.#wait()
  }

  heard(): void {
    // Moved and not made anew: this happens for every PDU.
    if (this.#isAsked) this.#wait()
    else this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isAsked = false
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#isAsked = false
    this.#timer = setTimeout(() => this.#ask(), this.#timings.enquireLinkMs)
  }

  #ask(): void {
    this.#isAsked = true
    this.#timer = setTimeout(() => this.#events.dead(), this.#timings.enquireLinkTimeoutMs)
    this.#events.ask()
  }
}
