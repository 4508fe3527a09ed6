/**
 * Time of a simulated run. Sleeping is measured in elapsed time, as by a monotonic clock; what a
 * process reads is the wall, which may be moved. What is due takes its turn in the scheduler like
 * everything else.
 */
export class VirtualTime {
  readonly #schedule: (task: () => void) => void
  readonly #heap: Sleeper[] = []
  #elapsedMs = 0
  #wallMs: number
  #order = 0

  constructor(startMs: number, schedule: (task: () => void) => void) {
    this.#wallMs = startMs
    this.#schedule = schedule
  }

  get elapsedMs(): number {
    return this.#elapsedMs
  }

  /** Epoch milliseconds, true time: processes may read another one. */
  get wallMs(): number {
    return this.#wallMs
  }

  /** Runs `task` once `ms` have elapsed. The answer cancels it. */
  after(ms: number, task: () => void): () => void {
    const sleeper: Sleeper = { dueMs: this.#elapsedMs + Math.max(0, Math.ceil(ms)), order: this.#order, task }
    this.#order += 1
    push(this.#heap, sleeper)
    return () => {
      sleeper.task = undefined
    }
  }

  advance(ms: number): void {
    this.#elapsedMs += ms
    this.#wallMs += ms
    for (
      let first = this.#heap[0];
      first !== undefined && first.dueMs <= this.#elapsedMs;
      first = this.#heap[0]
    ) {
      pop(this.#heap)
      if (first.task !== undefined) this.#schedule(first.task)
    }
  }

  /** Moves on to the earliest sleeper. */
  advanceToNext(): void {
    while (this.#heap[0] !== undefined && this.#heap[0].task === undefined) pop(this.#heap)
    const first = this.#heap[0]
    if (first === undefined) throw new Error('nothing is left that could ever happen')
    this.advance(Math.max(0, first.dueMs - this.#elapsedMs))
  }

  /** Hours pass in which nothing happens: nobody needs to be woken each second to see it. */
  jump(ms: number): void {
    this.#wallMs += ms
  }
}

interface Sleeper {
  readonly dueMs: number
  readonly order: number
  task: (() => void) | undefined
}

const isBefore = (a: Sleeper, b: Sleeper): boolean =>
  a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)

function push(heap: Sleeper[], sleeper: Sleeper): void {
  let at = heap.length
  heap.push(sleeper)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent]
    if (above === undefined || !isBefore(sleeper, above)) break
    heap[at] = above
    at = parent
  }
  heap[at] = sleeper
}

function pop(heap: Sleeper[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const a = heap[left]
    const b = heap[left + 1]
    const child = b !== undefined && a !== undefined && isBefore(b, a) ? left + 1 : left
    const below = heap[child]
    if (below === undefined || !isBefore(below, last)) break
    heap[at] = below
    at = child
  }
  heap[at] = last
}
