/** A transaction that was aborted within what a fetch returned: whose it was and where it began. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** What decides about a batch's visibility. */
export interface BatchFate {
  readonly producerId: number
  readonly lastOffset: number
  readonly isTransactional: boolean
  /** It is the marker that ends an aborted transaction. */
  readonly isAbortMarker: boolean
}

/**
 * Hides the records of aborted transactions. Brokers list those in the order of their abort
 * markers. So they are sorted by where they began, and every one that a batch reaches is taken, not
 * only one. The Java client does the same (CompletedFetch.java); kafkajs's filter leaks in all
 * three cases that the tests hold.
 */
export class ReadCommitted {
  readonly #pending: readonly AbortedTransaction[]
  readonly #aborted = new Set<number>()
  #taken = 0

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#pending = aborted.length < 2 ? aborted : aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  /** To be asked for every batch, in the order of the log. */
  isVisible(batch: BatchFate): boolean {
    for (let next = this.#pending[this.#taken]; next !== undefined; next = this.#pending[this.#taken]) {
      if (next.firstOffset > batch.lastOffset) break
      this.#aborted.add(next.producerId)
      this.#taken += 1
    }
    if (batch.isAbortMarker) this.#aborted.delete(batch.producerId)
    return !batch.isTransactional || !this.#aborted.has(batch.producerId)
  }
}
