import type { LogRecord } from '../../log/port.ts'
import { bytesOf } from '../task/inputs.ts'

/** Full at this much, whatever the number of records; one fetch may come on top. */
const READER_BYTES_MAX = 8 * 1024 * 1024

/** What was read of one partition and is not done. */
export class ReaderBuffer {
  readonly #batchMax: number
  #records: LogRecord[] = []
  #bytes = 0
  #offered = 0

  /** @param batchMax records of one batch; full with twice as many. */
  constructor(batchMax: number) {
    this.#batchMax = batchMax
  }

  get size(): number {
    return this.#records.length
  }

  /** The first offset that is not done. */
  get next(): number {
    return this.#records[0]?.offset ?? this.#offered
  }

  get isFull(): boolean {
    return this.#records.length >= 2 * this.#batchMax || this.#bytes >= READER_BYTES_MAX
  }

  get isHalfEmpty(): boolean {
    return this.#records.length <= this.#batchMax && this.#bytes <= READER_BYTES_MAX / 2
  }

  /** Nothing of it counts; records before `next` are not taken. */
  reset(next: number): void {
    this.#records = []
    this.#bytes = 0
    this.#offered = next
  }

  add(records: readonly LogRecord[], next: number): void {
    for (const record of records) {
      if (record.offset < this.#offered) continue
      this.#records.push(record)
      this.#bytes += bytesOf(record)
    }
    this.#offered = Math.max(this.#offered, next)
  }

  /** The first records, and where the partition goes on behind them. */
  batch(): { readonly records: readonly LogRecord[]; readonly next: number } {
    const records = this.#records.slice(0, this.#batchMax)
    return { records, next: this.#records[records.length]?.offset ?? this.#offered }
  }

  /** The first so many are done. */
  drop(count: number): void {
    for (const record of this.#records.splice(0, count)) this.#bytes -= bytesOf(record)
  }
}
