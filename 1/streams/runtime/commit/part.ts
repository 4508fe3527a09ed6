import type { Cursor, Membership, OutRecord, Written } from '../../log/port.ts'
import type { TaskId } from '../watch/hooks.ts'

/**
 * What gives a task the right to commit: its partition was assigned to this member, and in no
 * generation since to another.
 */
export class Ownership {
  readonly #current: () => Membership | undefined
  #isLost = false

  constructor(current: () => Membership | undefined) {
    this.#current = current
  }

  /** Undefined for ever, once the partition was lost: if it comes back, another task has it. */
  member(): Membership | undefined {
    return this.#isLost ? undefined : this.#current()
  }

  lose(): void {
    this.#isLost = true
  }
}

/** What one task adds to a transaction: all of it, or nothing. */
export interface Part {
  readonly task: TaskId
  readonly group: string
  readonly owner: Ownership
  readonly records: readonly OutRecord[]
  /**
   * Called once the records have been written, perhaps for several attempts. At least one: it is by
   * its cursors that the group refuses what is not this member's any more.
   */
  readonly cursors: (written: Written) => readonly Cursor[]
}
