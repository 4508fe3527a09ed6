import { partitionKey } from '../../port.ts'
import type { OutRecord, Written } from '../../port.ts'
import type { PartitionBatch } from './batches.ts'

/**
 * Which records of a turn are durable, and where. They land in the order in which they were handed
 * over, partition by partition.
 */
export class Landed {
  readonly #batches = new Set<PartitionBatch>()
  readonly #offsets = new Map<string, number[]>()
  readonly #taken = new Map<string, number>()

  add(batch: PartitionBatch, baseOffset: number): void {
    this.#batches.add(batch)
    const key = partitionKey(batch)
    const offsets = this.#offsets.get(key) ?? []
    for (let i = 0; i < batch.records.length; i += 1) offsets.push(baseOffset + i)
    this.#offsets.set(key, offsets)
  }

  has(batch: PartitionBatch): boolean {
    return this.#batches.has(batch)
  }

  /** What became of the next records in line: where those that landed end, and how many did not. */
  take(records: readonly OutRecord[]): { readonly written: Written; readonly missing: number } {
    const written = new Map<string, number>()
    let missing = 0
    for (const record of records) {
      const key = partitionKey(record)
      const index = this.#taken.get(key) ?? 0
      this.#taken.set(key, index + 1)
      const offset = this.#offsets.get(key)?.[index]
      if (offset === undefined) missing += 1
      else written.set(key, offset + 1)
    }
    return { written, missing }
  }
}
