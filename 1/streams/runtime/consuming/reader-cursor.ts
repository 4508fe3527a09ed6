import type { Cursor } from '../../log/port.ts'
import type { Sleep } from '../../platform/backoff.ts'
import type { Batch, PartitionOwner } from '../consume.ts'
import { CURSORS_EVERY_MS, CURSORS_RECORDS_MAX, type Mover, type PacedCursors } from './paced-cursors.ts'

/** How far one partition is done, and when the group hears of it. */
export interface ReaderCursor extends Mover {
  /** The reader itself has to commit now. */
  readonly isDue: boolean
  done(batch: Batch, cursor: Cursor): void
  /** Moves it now. Rejects when that is for the reader to repeat. */
  commit(): Promise<void>
  /** The partition is left: what is done is moved once more, if nobody else does it. */
  leave(): Promise<void>
  /** The partition is opened anew, and the log says how far it was done. */
  forget(): void
}

/** Moved with those of all other partitions. */
export class SharedCursor implements ReaderCursor {
  readonly isDue = false
  readonly #cursors: Pick<PacedCursors, 'done' | 'flush'>
  #unmoved: Cursor | undefined

  constructor(cursors: Pick<PacedCursors, 'done' | 'flush'>) {
    this.#cursors = cursors
  }

  get unmoved(): Cursor | undefined {
    return this.#unmoved
  }

  moved(cursor: Cursor): void {
    if (this.#unmoved === cursor) this.#unmoved = undefined
  }

  done(batch: Batch, cursor: Cursor): void {
    this.#unmoved = cursor
    this.#cursors.done(batch.records.length)
  }

  commit(): Promise<void> {
    return this.#cursors.flush()
  }

  leave(): Promise<void> {
    return Promise.resolve()
  }

  forget(): void {
    this.#unmoved = undefined
  }
}

export interface OwnedCursorOptions {
  readonly owner: PartitionOwner
  readonly sleep: Sleep
  readonly stop: AbortSignal
  /** A commit may be due from now on. */
  readonly onDue: () => void
}

/**
 * Moved by its owner: after a quiet time at once, else at an interval, because every move is a
 * transaction. What was done and not moved is for the next owner to recognise.
 */
export class OwnedCursor implements ReaderCursor {
  /** Nobody else may move it. */
  readonly unmoved = undefined
  readonly #options: OwnedCursorOptions
  #cursor: Cursor | undefined
  #records = 0
  #isResting = false

  constructor(options: OwnedCursorOptions) {
    this.#options = options
  }

  get isDue(): boolean {
    return this.#cursor !== undefined && (!this.#isResting || this.#records >= CURSORS_RECORDS_MAX)
  }

  moved(): void {}

  done(batch: Batch, cursor: Cursor): void {
    this.#options.owner.done(batch)
    this.#cursor = cursor
    this.#records += batch.records.length
  }

  async commit(): Promise<void> {
    if (this.#cursor === undefined) return
    await this.#options.owner.commit(this.#cursor)
    this.forget()
    if (!this.#isResting) void this.#rest()
  }

  leave(): Promise<void> {
    return this.commit()
  }

  forget(): void {
    this.#cursor = undefined
    this.#records = 0
  }

  async #rest(): Promise<void> {
    const { sleep, stop, onDue } = this.#options
    this.#isResting = true
    await sleep(CURSORS_EVERY_MS, stop)
    this.#isResting = false
    onDue()
  }
}
