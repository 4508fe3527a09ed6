/**
 * Whether the operator answers submits at all [B18]. A link whose submits all vanish looks alive to
 * enquire_link, and commands would be in doubt one after the other.
 */
export class AnswerWatch {
  readonly #unansweredMs: number
  readonly #dead: () => void
  #timer: NodeJS.Timeout | undefined
  #open = 0

  constructor(unansweredMs: number, dead: () => void) {
    this.#unansweredMs = unansweredMs
    this.#dead = dead
  }

  asked(): void {
    this.#open += 1
    this.#timer ??= setTimeout(this.#dead, this.#unansweredMs)
  }

  /** Also late: it still shows that the operator answers. */
  answered(): void {
    // Moved and not made anew: this happens for every submit.
    if (this.#open > 0 && this.#timer !== undefined) this.#timer.refresh()
    else this.#rest()
  }

  /** A submit is no longer waited for, answered or not. */
  ended(): void {
    this.#open -= 1
  }

  stop(): void {
    this.#rest()
  }

  #rest(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
