/** [M24]: `dlr_orphan_rate` looks back five minutes. */
export const WINDOW_MS = 300_000
const SLOTS = 30
const SLOT_MS = WINDOW_MS / SLOTS

interface Slot {
  readonly number: number
  part: number
  whole: number
}

/**
 * How many percent of what happened in the last five minutes was of one kind, to within a slot of
 * ten seconds.
 */
export class RecentShare {
  readonly #now: () => number
  readonly #slots: (Slot | undefined)[] = Array.from({ length: SLOTS })

  constructor(now: () => number) {
    this.#now = now
  }

  add(side: 'part' | 'whole'): void {
    const number = this.#number()
    const known = this.#slots[number % SLOTS]
    const slot = known?.number === number ? known : { number, part: 0, whole: 0 }
    slot[side] += 1
    this.#slots[number % SLOTS] = slot
  }

  /**
   * 0 when nothing has happened; at most 100, though a part may be counted later than its whole.
   */
  percent(): number {
    const number = this.#number()
    let [part, whole] = [0, 0]
    for (const slot of this.#slots) {
      if (slot === undefined || slot.number <= number - SLOTS || slot.number > number) continue
      part += slot.part
      whole += slot.whole
    }
    return whole === 0 ? (part === 0 ? 0 : 100) : Math.min(100, (100 * part) / whole)
  }

  #number(): number {
    return Math.floor(this.#now() / SLOT_MS)
  }
}
