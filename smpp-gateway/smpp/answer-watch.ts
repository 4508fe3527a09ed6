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
    clearTimeout(this.#timer)
    this.#timer = this.#open > 0 ? setTimeout(this.#dead, this.#unansweredMs) : undefined
  }

  /** A submit is no longer waited for, answered or not. */
  ended(): void {
    this.#open -= 1
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
