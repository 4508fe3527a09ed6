/**
 * A Map of at most `entriesMax` entries: the one written longest ago goes first. One iterator stays
 * at the front: a new one would step over everything dropped before it, at every drop.
 */
export class BoundedMap<K, V> {
  readonly #entriesMax: number
  readonly #entries = new Map<K, V>()
  #front = this.#entries.keys()

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  /** Written again, an entry counts as new. */
  set(key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    while (this.#entries.size > this.#entriesMax) {
      const oldest = this.#front.next()
      if (oldest.done === true) return
      this.#entries.delete(oldest.value)
    }
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#front = this.#entries.keys()
  }
}
