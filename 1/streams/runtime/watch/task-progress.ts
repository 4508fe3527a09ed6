import type { TaskId } from './hooks.ts'
import type { Inputs } from '../task/inputs.ts'
import type { Standing } from './standing.ts'

export type Doing = 'opening' | 'restoring' | 'recovering' | 'running' | 'failed'

/** What a task can show for itself when it is asked whether it gets on (position-watch.ts). */
export class TaskProgress {
  readonly #id: TaskId
  readonly #inputs: Inputs
  #doing: Doing = 'opening'
  /** Before what is not committed; while opening, where the cursors stood. */
  #before: ReadonlyMap<string, number> | undefined
  #isRoundInHand = false
  #isCommitting = false
  /** Attempts to open and steps of a restore: signs of life for every input. */
  #steps = 0
  /**
   * Rounds and answers: signs of life for an input that waits its turn, but not for one that is not
   * being fetched.
   */
  #turns = 0

  constructor(id: TaskId, inputs: Inputs) {
    this.#id = id
    this.#inputs = inputs
  }

  get doing(): Doing {
    return this.#doing
  }

  opened(positions: ReadonlyMap<string, number>): void {
    this.#before = positions
    this.#steps += 1
  }

  restored(records: number): void {
    if (records > 0) this.#doing = 'restoring'
    this.#steps += 1
  }

  running(): void {
    this.#doing = 'running'
    this.#isRoundInHand = false
    this.#isCommitting = false
  }

  recovering(): void {
    this.#doing = 'recovering'
    this.#steps += 1
  }

  failed(): void {
    this.#doing = 'failed'
  }

  roundBegins(): void {
    if (!this.#isCommitting) this.#before = this.#inputs.nextOffsets()
    this.#isRoundInHand = true
  }

  handedIn(): void {
    this.#isCommitting = true
  }

  committed(nextOffsets: ReadonlyMap<string, number>): void {
    this.#isCommitting = false
    this.#before = nextOffsets
    this.#turns += 1
  }

  answered(): void {
    this.#turns += 1
  }

  roundEnds(): void {
    this.#isRoundInHand = false
    this.#turns += 1
  }

  standings(topics: readonly string[]): readonly Standing[] {
    const now = this.#inputs.nextOffsets()
    const isDone = this.#doing === 'running' && !this.#isRoundInHand && !this.#isCommitting
    const next = isDone ? now : this.#before
    const inHand = (topic: string): boolean => !isDone && next?.get(topic) !== now.get(topic)
    // A round of timers moves no input and is something to do all the same.
    const isBusy = !isDone && (this.#doing !== 'running' || !topics.some(inHand))
    return topics.map((topic) => ({
      at: { topic, partition: this.#id.partition },
      reader: this.#id.topology,
      next: next?.get(topic),
      isBusy,
      signs: this.#steps + (inHand(topic) || this.#inputs.waits(topic) ? this.#turns : 0),
      doing: this.#doing,
      excuse: this.#doing === 'failed' ? 'failed' : undefined,
    }))
  }
}
