/**
 * Repeatable random numbers. Each part of a run throws its own dice, so that one more throw in one
 * part moves no other.
 */
export class Dice {
  #state: number

  constructor(seed: number, part: string) {
    let mixed = seed | 0
    for (let at = 0; at < part.length; at += 1) mixed = Math.imul(mixed ^ part.charCodeAt(at), 0x01000193)
    this.#state = mixed
    for (let warm = 0; warm < 4; warm += 1) this.next()
  }

  /** From 0 (inclusive) to 1 (exclusive); mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[Math.floor(this.next() * from.length)]
    if (picked === undefined) throw new RangeError('nothing to pick from')
    return picked
  }

  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const all: [T, number][] = []
    for (const name in weights) all.push([name, weights[name]])
    return this.pickByWeight(all)
  }

  pickByWeight<T>(all: readonly (readonly [T, number])[]): T {
    let left = this.next() * all.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [one, weight] of all) {
      left -= weight
      if (left < 0) return one
    }
    throw new RangeError('no weight to pick by')
  }
}
