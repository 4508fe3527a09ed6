/** So often in a row, without getting further, a partition is opened anew. */
export const STOPS_MAX = 3

/** Counts how often the log gave no more of a partition. */
export class Stops {
  #next = 0
  #inRow = 0

  /**
   * It has stopped with everything done below `next`. True to open anew, which helps where the log
   * was cut back; what is damaged stays so.
   */
  mayOpenAgain(next: number): boolean {
    this.#inRow = next > this.#next ? 1 : this.#inRow + 1
    this.#next = next
    return this.#inRow <= STOPS_MAX
  }

  get inRow(): number {
    return this.#inRow
  }
}
