import type { StoredTimer } from '../store/store.ts'

/** `batch`: how often the round had asked when it armed the timer; 0 for one of the index. */
export interface Queued {
  readonly timer: StoredTimer
  readonly batch: number
}

/**
 * The timers of one round in the order in which they fire: those that the index held when it began,
 * and those that its handlers arm. Of the index only the first are known when there are more of
 * them than one round may fire, so nothing is given out that may have to wait for one of the
 * others.
 */
export class TimerQueue {
  readonly #loaded: readonly StoredTimer[]
  /** The last that is known for sure; undefined: all up to `untilMs` are. */
  readonly #last: StoredTimer | undefined
  /** In order; a round arms few that are due within it. */
  readonly #armed: Queued[] = []
  readonly #untilMs: number
  #next = 0

  constructor(loaded: readonly StoredTimer[], limit: number, untilMs: number) {
    this.#loaded = loaded
    this.#last = loaded.length < limit ? undefined : loaded.at(-1)
    this.#untilMs = untilMs
  }

  /** A handler has armed it. */
  add(timer: StoredTimer, batch: number): void {
    if (timer.dueMs > this.#untilMs) return
    let at = this.#armed.length
    for (; at > 0; at -= 1) {
      const before = this.#armed[at - 1]
      if (before !== undefined && inOrder(before.timer, timer) <= 0) break
    }
    this.#armed.splice(at, 0, { timer, batch })
  }

  /** The earliest; `beyond` when timers may come before it that are not known. */
  first(): Queued | 'beyond' | undefined {
    const loaded = this.#loaded[this.#next]
    const [armed] = this.#armed
    if (loaded !== undefined && (armed === undefined || inOrder(loaded, armed.timer) <= 0))
      return { timer: loaded, batch: 0 }
    if (this.#last !== undefined && (armed === undefined || inOrder(armed.timer, this.#last) > 0))
      return 'beyond'
    return armed
  }

  /** What the round has armed so far and not fired. */
  armed(): readonly Queued[] {
    return this.#armed
  }

  /** From here on timers may come first that are not known. */
  get beyondMs(): number {
    return this.#last?.dueMs ?? Number.POSITIVE_INFINITY
  }

  drop({ batch }: Queued): void {
    if (batch === 0) this.#next += 1
    else this.#armed.shift()
  }
}

export const timerId = ({ dueMs, store, timer, key }: StoredTimer): string =>
  `${dueMs}\0${store}\0${timer}\0${key}`

/** That of the index, which compares bytes. */
function inOrder(a: StoredTimer, b: StoredTimer): number {
  if (a.dueMs !== b.dueMs) return a.dueMs - b.dueMs
  return Buffer.compare(tail(a), tail(b))
}

const tail = ({ store, timer, key }: StoredTimer): Buffer => Buffer.from(`${store}\0${timer}\0${key}`)
