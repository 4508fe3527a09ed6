import { partitionKey } from '../../port.ts'
import type { LogRecord, TopicPartition } from '../../port.ts'

/** Records that were fetched, and where their partition goes on. */
export interface Chunk {
  readonly records: readonly LogRecord[]
  readonly next: number
}

/** A partition that this member holds. */
export class Held {
  readonly at: TopicPartition
  /** Where to fetch next; unknown until the first seek. */
  position: number | null = null
  isPaused = true
  /** Fetched when it was paused already, and kept for when it goes on. At most one fetch's worth. */
  chunk: Chunk | null = null
  /** Counts seeks, so that what was fetched before one is not delivered after it. */
  turn = 0

  constructor(at: TopicPartition) {
    this.at = at
  }

  seek(offset: number): void {
    this.position = offset
    this.chunk = null
    this.turn += 1
  }
}

/** All that a member holds. */
export class HeldPartitions {
  #held = new Map<string, Held>()

  get(at: TopicPartition): Held | undefined {
    return this.#held.get(partitionKey(at))
  }

  has(held: Held): boolean {
    return this.get(held.at) === held
  }

  all(): readonly Held[] {
    return [...this.#held.values()]
  }

  /** Partition numbers, each once. */
  numbers(): readonly number[] {
    return [...new Set(this.all().map(({ at }) => at.partition))]
  }

  /** A new assignment: what stays goes on as it was, what is new is paused and has no position. */
  assign(partitions: readonly TopicPartition[]): void {
    this.#held = new Map(
      partitions.map((at): [string, Held] => [partitionKey(at), this.get(at) ?? new Held(at)]),
    )
  }
}
