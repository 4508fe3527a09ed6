/**
 * Where the store stands: the next offset of each changelog, by store name, and when that was, ms.
 */
export interface Checkpoint {
  readonly changelogs: Readonly<Record<string, number>>
  readonly atMs: number
  /** Of the topics that those offsets count in. In a commit absent: as before. */
  readonly topicIds?: Readonly<Record<string, string>> | undefined
}

/** What a commit leaves of a checkpoint. */
export const checkpointAfter = ({ topicIds }: Checkpoint, given: Checkpoint): Checkpoint =>
  topicIds === undefined ? given : { topicIds, ...given }

export interface StoredTimer {
  readonly dueMs: number
  readonly store: string
  readonly timer: string
  readonly key: string
}

/**
 * `encoded` undefined: the row is gone. `armed` and `disarmed` keep the timer index; a stale entry
 * is only a hint.
 */
export interface RowChange {
  readonly store: string
  readonly key: string
  readonly encoded: string | undefined
  readonly armed: readonly StoredTimer[]
  readonly disarmed: readonly StoredTimer[]
}

export interface Store {
  checkpoint(): Checkpoint
  /** Synchronous, because handlers are. */
  get(store: string, key: string): string | undefined
  /** In the order of the keys, and beside the event loop. */
  getMany(store: string, keys: readonly string[]): Promise<readonly (string | undefined)[]>
  commit(changes: readonly RowChange[], checkpoint: Checkpoint): Promise<void>
  /** Entries due at or before `untilMs`, earliest first, at most `limit`. */
  dueTimers(untilMs: number, limit: number): Promise<readonly StoredTimer[]>
  /** Drops index entries that turned out to be stale. */
  dropTimers(timers: readonly StoredTimer[]): Promise<void>
  /** The earliest entry, stale ones included; Infinity when there is none. */
  nextDueMs(): Promise<number>
  /**
   * Entries by store, stale ones included, as they stand at the call. Takes its time; `signal` ends
   * it.
   */
  countTimers(signal: AbortSignal): Promise<ReadonlyMap<string, number>>
  /** Forgets everything, checkpoint included. */
  wipe(): Promise<void>
  close(): Promise<void>
}

/**
 * What was read is not what was written: the owner must destroy the store and restore it from the
 * changelog.
 */
export class StoreCorruptError extends Error {
  override readonly name = 'StoreCorruptError'
}

/**
 * The store could not be opened, read or written: the disk is full, another process has it, or the
 * like. Nothing it holds is wrong; it is opened anew, for as long as it takes.
 */
export class StoreFailedError extends Error {
  override readonly name = 'StoreFailedError'
}

export interface StoreFactory {
  /** Opens the store of one task; a store that cannot be read is wiped, and `onWiped` told why. */
  open(name: string, onWiped: (reason: unknown) => void): Promise<Store>
  /**
   * Where the store that is kept under the name stands; the empty checkpoint when there is none, or
   * none that can be read now.
   */
  peek(name: string): Promise<Checkpoint>
  /** Removes all that is kept under the name; it must be closed. */
  destroy(name: string): Promise<void>
}

export const EMPTY_CHECKPOINT: Checkpoint = { changelogs: {}, atMs: 0 }
