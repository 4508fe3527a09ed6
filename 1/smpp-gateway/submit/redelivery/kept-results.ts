import type { SegmentResult } from '../progress.ts'

/** One message of the stream of results; `told` is undefined when it cannot be read. */
export interface StoredResult {
  readonly sequence: number
  /** When it was stored, epoch ms. */
  readonly at: number
  readonly told:
    | { readonly messageId: string; readonly index: number; readonly result: SegmentResult }
    | undefined
}

export type Start = { readonly since: number } | { readonly sequence: number }

const RESULTS_MAX = 100_000
/** Dropping one at a time would move all the others each time. */
const SLACK = 0.1

/**
 * The newest results that were read, all of them from a known moment on: of what is older nothing
 * is known, which is not the same as that it was not sent.
 */
export class KeptResults {
  readonly #max: number
  #all: StoredResult[] = []
  readonly #known = new Map<string, Map<number, SegmentResult>>()
  #from = Infinity
  #until = Number.NEGATIVE_INFINITY
  #next: number | undefined

  constructor(max = RESULTS_MAX) {
    this.#max = max
  }

  /** What was stored from this moment on is here, epoch ms. */
  get from(): number {
    return this.#from
  }

  of(messageId: string): ReadonlyMap<number, SegmentResult> {
    return this.#known.get(messageId) ?? NOTHING
  }

  /**
   * Where to read on. What lies between the newest that was read and `since` may be a whole day
   * that nobody asks for.
   */
  startFor(since: number): Start {
    if (this.#next !== undefined && since <= this.#until) return { sequence: this.#next }
    this.#all = []
    this.#known.clear()
    this.#from = since
    return { since }
  }

  add(stored: StoredResult): void {
    this.#next = stored.sequence + 1
    this.#until = stored.at
    this.#all.push(stored)
    this.#note(stored)
    if (this.#all.length > this.#max * (1 + SLACK)) this.#drop(this.#all.length - this.#max)
  }

  /** Collects what lies before `from`; `keep` takes it in where there is room for all of it. */
  older(since: number): { add(stored: StoredResult): void; keep(): void } {
    const collected: StoredResult[] = []
    let isTooMuch = false
    return {
      add: (stored) => {
        isTooMuch ||= this.#all.length + collected.length >= this.#max
        if (!isTooMuch) collected.push(stored)
      },
      keep: () => {
        if (isTooMuch) return
        this.#all = [...collected, ...this.#all]
        this.#from = since
        for (const stored of this.#all) this.#note(stored)
      },
    }
  }

  #note({ told }: StoredResult): void {
    if (told === undefined) return
    const results = this.#known.get(told.messageId) ?? new Map<number, SegmentResult>()
    this.#known.set(told.messageId, results.set(told.index, told.result))
  }

  #forget({ told }: StoredResult): void {
    const results = told && this.#known.get(told.messageId)
    // A later one of the same segment stays.
    if (told === undefined || results?.get(told.index) !== told.result) return
    results.delete(told.index)
    if (results.size === 0) this.#known.delete(told.messageId)
  }

  #drop(count: number): void {
    const until = this.#all[count - 1]?.at ?? 0
    let kept = count
    while (this.#all[kept]?.at === until) kept += 1
    for (const stored of this.#all.slice(0, kept)) this.#forget(stored)
    this.#all = this.#all.slice(kept)
    this.#from = this.#all[0]?.at ?? until + 1
  }
}

const NOTHING: ReadonlyMap<number, SegmentResult> = new Map()
