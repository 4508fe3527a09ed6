import { isSlicing, nextTurn } from '../../platform/slices.ts'
import type { Clock } from '../clock.ts'

/**
 * The longest that the rounds of a process hold the event loop: heartbeats, fetches and answers
 * wait for it.
 */
const SLICE_MS = 4
/** Steps between two looks at the clock. */
const STEPS = 8

/**
 * Lets the event loop in between two steps of a long piece of work. What the work does is the same.
 * The tasks of a process share one: who paused first goes on first, the others take a few steps
 * beside it. All rest while the transaction is put together that they have handed in to.
 */
export class Breath {
  readonly #clock: Pick<Clock, 'now'>
  #sinceMs: number
  #steps = 0
  #turn: Promise<void> | undefined

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#sinceMs = clock.now()
  }

  /** To be asked after each step; true: `pause` is due. */
  get isDue(): boolean {
    this.#steps += 1
    return this.#steps % STEPS === 0 && Math.abs(this.#clock.now() - this.#sinceMs) >= SLICE_MS
  }

  pause(): Promise<void> {
    this.#turn ??= this.#next()
    return this.#turn
  }

  async #next(): Promise<void> {
    do await nextTurn()
    while (isSlicing())
    this.#turn = undefined
    this.#sinceMs = this.#clock.now()
  }
}
