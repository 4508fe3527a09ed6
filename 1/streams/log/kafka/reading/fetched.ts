import { partitionKey } from '../../port.ts'
import type { LogRecord, TopicPartition } from '../../port.ts'

/** Records that were fetched, and where their partition goes on. */
export interface FetchedRecords {
  readonly records: readonly LogRecord[]
  readonly next: number
}

const NO_EPOCH = -1

/** A partition that this member holds. */
export class OwnedPartition {
  readonly at: TopicPartition
  /** Where to fetch next; unknown until the first seek. */
  position: number | null = null
  isPaused = true
  /**
   * Fetched when it was paused already, and kept for when it goes on. At most one fetch's worth.
   */
  fetched: FetchedRecords | null = null
  /** Counts seeks, so that what was fetched before one is not delivered after it. */
  turn = 0
  /** It cannot be read on until it is sought. */
  isStopped = false
  /** It waits after an attempt that failed. */
  isResting = false
  /** Attempts that failed, since one that did not. */
  failures = 0
  /** Attempts in a row that brought what cannot be used. */
  doubts = 0
  /** Under which leader the last batch that was read had been written. */
  epoch = NO_EPOCH
  /** In which epoch of its leader the position was last known to be right. */
  readIn = NO_EPOCH

  constructor(at: TopicPartition) {
    this.at = at
  }

  /** What comes next may be elsewhere, so what was known of the place before means nothing. */
  seek(offset: number): void {
    this.position = offset
    this.fetched = null
    this.turn += 1
    this.isStopped = false
    this.isResting = false
    this.failures = 0
    this.doubts = 0
    this.epoch = NO_EPOCH
    this.readIn = NO_EPOCH
  }

  /** A fetch was answered, by a leader of `leaderEpoch`. */
  advance(next: number, epoch: number, leaderEpoch: number): void {
    this.position = next
    this.failures = 0
    this.doubts = 0
    this.readIn = leaderEpoch
    if (epoch >= 0) this.epoch = epoch
  }
}

/** All that a member holds. */
export class OwnedPartitions {
  #owned = new Map<string, OwnedPartition>()

  get(at: TopicPartition): OwnedPartition | undefined {
    return this.#owned.get(partitionKey(at))
  }

  has(owned: OwnedPartition): boolean {
    return this.get(owned.at) === owned
  }

  all(): readonly OwnedPartition[] {
    return [...this.#owned.values()]
  }

  /** Partition numbers, each once. */
  numbers(): readonly number[] {
    return [...new Set(this.all().map(({ at }) => at.partition))]
  }

  /** A new assignment: what stays goes on as it was, what is new is paused and has no position. */
  assign(partitions: readonly TopicPartition[]): void {
    this.#owned = new Map(
      partitions.map((at): [string, OwnedPartition] => [
        partitionKey(at),
        this.get(at) ?? new OwnedPartition(at),
      ]),
    )
  }
}
