import type { VirtualTime } from './virtual-time.ts'

/**
 * Whether a process runs. Nothing happens in a dead one, and what comes for one that stands still
 * waits until it goes on.
 */
export class Life {
  readonly #time: VirtualTime
  #state: 'going' | 'still' | 'over' = 'going'
  #held: (() => void)[] = []

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  get isStill(): boolean {
    return this.#state === 'still'
  }

  run(task: () => void): void {
    if (this.#state === 'going') task()
    else if (this.#state === 'still') this.#held.push(task)
  }

  stand(): void {
    if (this.#state === 'going') this.#state = 'still'
  }

  goOn(): void {
    if (this.#state !== 'still') return
    this.#state = 'going'
    for (const task of this.#held.splice(0)) this.run(task)
  }

  end(): void {
    this.#state = 'over'
    this.#held = []
  }

  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve()
      const done = (): void => {
        cancel()
        signal?.removeEventListener('abort', done)
        this.run(resolve)
      }
      const cancel = this.#time.after(ms, done)
      signal?.addEventListener('abort', done)
    })
}
