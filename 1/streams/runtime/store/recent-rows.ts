import type { Row } from '../../dsl/execute.ts'

/**
 * How many decoded rows a process may keep, however many tasks it has: each of those open now gets
 * an equal part.
 */
export class RowBudget {
  readonly #rowsMax: number
  #tables = 0

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax
  }

  /** A table more shares it, until it calls what it gets. */
  enter(): () => void {
    this.#tables += 1
    let isIn = true
    return () => {
      if (isIn) this.#tables -= 1
      isIn = false
    }
  }

  get eachMax(): number {
    return Math.floor(this.#rowsMax / Math.max(1, this.#tables))
  }
}

/**
 * Rows of one store that were used lately, decoded; null for a key that has none. Two generations
 * instead of a list in the order of use: when the young one is full it becomes the old one, and
 * what nobody asked for since is let go of all at once. A Map that always drops its first entry
 * skips everything dropped before it on every look, a seventh of a task's time.
 */
export class RecentRows {
  readonly #max: () => number
  #young = new Map<string, Row | null>()
  #old: ReadonlyMap<string, Row | null> = new Map()

  /** `max` may change while rows are kept. */
  constructor(max: () => number) {
    this.#max = max
  }

  /** Undefined: not known here. */
  get(key: string): Row | null | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, row: Row | null): void {
    const generationMax = Math.floor(this.#max() / 2)
    if (generationMax === 0) return
    this.#young.set(key, row)
    if (this.#young.size < generationMax) return
    this.#old = this.#young
    this.#young = new Map()
  }
}
