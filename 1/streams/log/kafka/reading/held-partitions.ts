import type { TopicPartition } from '../../port.ts'
import type { OwnedPartitions } from './fetched.ts'

const NO_EPOCH = -1

/**
 * What the members of a client hold, by group: whoever moves a cursor, in a transaction or without,
 * says with it under which leader was read.
 */
export class HeldPartitions {
  readonly #byGroup = new Map<string, Set<OwnedPartitions>>()

  add(group: string, owned: OwnedPartitions): void {
    this.#byGroup.set(group, (this.#byGroup.get(group) ?? new Set()).add(owned))
  }

  remove(group: string, owned: OwnedPartitions): void {
    const all = this.#byGroup.get(group)
    all?.delete(owned)
    if (all?.size === 0) this.#byGroup.delete(group)
  }

  /**
   * Under which leader the last batch was written that the group has read here since it was sought;
   * -1: not known. A cursor that was reached by reading lies at or below its end, so the epoch is
   * never older than that of the record before the cursor.
   */
  epochOf(group: string, at: TopicPartition): number {
    for (const owned of this.#byGroup.get(group) ?? []) {
      const epoch = owned.get(at)?.epoch
      if (epoch !== undefined) return epoch
    }
    return NO_EPOCH
  }
}
