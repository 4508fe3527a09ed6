import { createHash } from 'node:crypto'

/** Lines kept to be shown when a run fails. */
const RECENT_MAX = 4000

/**
 * What happened in a run, in order. Two runs of one seed have the same hash, or something in them
 * did not come from the seed.
 */
export class History {
  readonly #hash = createHash('sha256')
  readonly #recent: string[] = []
  readonly #stamp: () => string
  readonly faults = new Map<string, number>()
  /** What went wrong while the run was going on; the invariants are looked at after it. */
  readonly violations: string[] = []
  steps = 0
  #isOver = false

  constructor(stamp: () => string) {
    this.#stamp = stamp
  }

  line(text: string): void {
    if (this.#isOver) return
    const line = `${this.steps} ${this.#stamp()} ${text}`
    this.#hash.update(line)
    this.#recent.push(line)
    if (this.#recent.length >= 2 * RECENT_MAX) this.#recent.splice(0, RECENT_MAX)
  }

  fault(kind: string, about: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
    this.line(`FAULT ${kind} ${about}`)
  }

  violation(text: string): void {
    this.violations.push(text)
    this.line(`VIOLATION ${text}`)
  }

  recent(lines: number): readonly string[] {
    return this.#recent.slice(-lines)
  }

  /**
   * Ends the history: a run that a violation has cut short leaves steps behind that are no longer
   * part of it.
   */
  digest(): string {
    this.#isOver = true
    return this.#hash.digest('hex')
  }
}
