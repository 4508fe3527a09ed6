/**
 * Words of the port. *next* is always the offset of the first record not yet taken, and counts
 * control records. *end* is the last stable offset of a partition: everything below it is decided.
 * Offsets are plain numbers: 2^53 records in one partition is 285 years at a million a second, and
 * a bigint a record costs the hot path an allocation.
 */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export type HeaderValue = string | Buffer
/** A header may repeat; then its value is a list in the order written. */
export type Headers = Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>

/** Header names are compared without case [EV57]; of a repeated header the first value counts. */
export function headerText(headers: Headers, name: string): string | undefined {
  const wanted = name.toLowerCase()
  for (const given in headers) {
    if (given !== name && given.toLowerCase() !== wanted) continue
    const value = headers[given]
    const first = typeof value === 'string' || Buffer.isBuffer(value) ? value : value?.[0]
    return first?.toString()
  }
  return undefined
}

/** Marks what was emitted while an input was read again, and what came of that [P3]. */
export const isReplayed = (headers: Headers): boolean => headerText(headers, 'replayed') !== undefined

/** A record as read: always committed, never from an aborted transaction. */
export interface LogRecord extends TopicPartition {
  readonly offset: number
  /** Milliseconds since the epoch, set by the writer. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Headers
}

/**
 * A record to write. The partition is explicit: the key decides it (partitioner.ts), never the
 * client library.
 */
export interface OutRecord extends TopicPartition {
  readonly key: string | Buffer | null
  readonly value: string | Buffer | null
  readonly headers?: Headers
  readonly timestamp: number
}

/** Where a group goes on in one partition. `metadata` is at most 4096 bytes (broker limit). */
export interface Cursor extends TopicPartition {
  readonly next: number
  readonly metadata: string
  /**
   * Told with a cursor that was committed, and below `next`: the log was cut back to there since,
   * and whatever stands there now was not read. Only for the topic of the id that it has now.
   */
  readonly cutBackTo?: number | undefined
}

/** First retained offset and last stable offset of a partition. */
export interface Bounds {
  readonly start: number
  readonly end: number
  /** What the topic got when it was made; undefined when the broker does not tell. */
  readonly topicId?: string | undefined
}

/**
 * For every partition written, by `partitionKey`: the offset after the last record written there.
 */
export type Written = ReadonlyMap<string, number>

export const partitionKey = (at: TopicPartition): string => `${at.topic}:${at.partition}`

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  /** Broker settings such as `cleanup.policy`, `retention.ms`. */
  readonly config: Readonly<Record<string, string>>
}

/**
 * What went wrong, by what the caller may do. `retriable`: nothing happened, do it again. `fenced`:
 * another writer has taken over, stop. `unknown`: it may or may not have happened; fence again and
 * compare cursors. `outdated`: nothing happened, because a group has gone on to another generation;
 * only the group knows whose its partitions are. `fatal`: no repetition will help.
 */
export type LogErrorCode = 'retriable' | 'fenced' | 'unknown' | 'outdated' | 'fatal'

export class LogError extends Error {
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.name = 'LogError'
    this.code = code
  }
}

/** `outdated`, and which group it is. */
export class OutdatedError extends LogError {
  readonly group: string

  constructor(group: string, cause?: unknown) {
    super('outdated', `${group} has gone on to another generation`, cause)
    this.name = 'OutdatedError'
    this.group = group
  }
}

export interface LogAdmin {
  /**
   * Creates what is missing and verifies what exists: a differing partition count or setting is an
   * error naming the topic.
   */
  ensureTopics(specs: readonly TopicSpec[]): Promise<void>
  /** Partition count by topic; a topic that does not exist is absent from the answer. */
  partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  bounds(at: readonly TopicPartition[]): Promise<ReadonlyMap<string, Bounds>>
  /** The same but for the starts, for whoever asks often. What was readable before is below. */
  ends(at: readonly TopicPartition[]): Promise<ReadonlyMap<string, Omit<Bounds, 'start'>>>
  /**
   * The group's cursors, by `partitionKey`; partitions without one are absent. A cursor that a
   * transaction is about to move is waited for, and `retriable` if that takes long. `asTheyAre`:
   * the last ones that were committed, without waiting.
   */
  committed(
    group: string,
    at: readonly TopicPartition[],
    how?: 'settled' | 'asTheyAre',
  ): Promise<ReadonlyMap<string, Cursor>>
  /** Moves the cursors of a group that has no members; with members it refuses (`fatal`). */
  moveCursors(group: string, cursors: readonly Cursor[]): Promise<void>
  deleteTopics(topics: readonly string[]): Promise<void>
  groupState(group: string): Promise<GroupState>
}

export interface GroupState {
  readonly state: string
  readonly members: number
  readonly memberIds: readonly string[]
}

/** A member of a group in the generation in which it was assigned what it holds. */
export interface Membership {
  readonly memberId: string
  readonly generation: number
}

/** A partition number of which a member is to keep a copy without owning it. */
export interface Standby {
  readonly partition: number
  /** The member is to own it once its copy has caught up, and then says so by `reassign`. */
  readonly due: boolean
}

/**
 * What a member with local copies of its partitions says of them, so that partitions go where they
 * are warm.
 */
export interface StandbyOptions {
  /**
   * How many copies of each partition are kept besides the owner's, each by another member; 0: this
   * member keeps none.
   */
  readonly replicas: number
  /**
   * Synchronous. How far the copies of this member reach, by partition number, those that it owns
   * included. Any count will do that grows with what was written and means the same for all
   * members. Absent means that there is nothing.
   */
  progress(): ReadonlyMap<number, number>
}

/** What a member of a group may have at a time. */
export interface ConsumerOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Absent for a member without local copies. */
  readonly standby?: StandbyOptions
  /**
   * Synchronous. Called at every new generation with all partitions this member holds now. Newly
   * assigned partitions are PAUSED and have no position until the caller seeks and resumes them;
   * kept ones go on as they were. Partition p of every topic always goes to the same member
   * (co-partitioning), so a task finds all its inputs in one place. `standbys`: all copies that
   * this member is to keep now; never one of a partition that it holds.
   */
  onAssigned(held: readonly TopicPartition[], generation: number, standbys: readonly Standby[]): void
  /**
   * The group is about to assign anew, and this member still holds what it has: cursors that are to
   * count are to be moved now. It is waited for within a third of the session. Never called of a
   * member that the group has lost, nor by a log that assigns at once.
   */
  onRebalancing?(): Promise<void>
  /**
   * Synchronous: enqueue only. `next` counts control records and is where the partition goes on;
   * records may be empty.
   */
  onRecords(at: TopicPartition, records: readonly LogRecord[], next: number): void
  /**
   * Synchronous. This partition cannot be read on, and why: a batch that is damaged or in a form
   * that is not known, a position beyond the end, a log that was cut back below what was read.
   * Nothing more of it is delivered until it is sought or assigned anew; the others go on.
   */
  onStopped?(at: TopicPartition, error: LogError): void
  /** The consumer has ended; its owner must start another. */
  onFailed(error: LogError): void
}

export interface LogConsumer {
  start(): Promise<void>
  /** Leaves the group; afterwards no callback is called any more. */
  stop(): Promise<void>
  seek(at: TopicPartition, offset: number): void
  pause(at: readonly TopicPartition[]): void
  resume(at: readonly TopicPartition[]): void
  /**
   * Asks the group for a new generation, because a copy that was due has caught up. Tasks that stay
   * are not disturbed.
   */
  reassign(): void
  /** As of the last assignment; undefined when it is none. */
  member(): Membership | undefined
  /**
   * At-least-once cursors, outside any transaction, under this member's generation. Throws `fenced`
   * when it is over.
   */
  commit(cursors: readonly Cursor[]): Promise<void>
}

/** Reads one partition without a group: restores and tools. */
export interface LogReader {
  /**
   * One fetch from `offset`: committed records, where to go on, and the last stable offset at that
   * moment.
   */
  read(
    at: TopicPartition,
    offset: number,
    limits: { readonly bytesMax: number; readonly waitMs: number },
  ): Promise<{ readonly records: readonly LogRecord[]; readonly next: number; readonly end: number }>
  close(): Promise<void>
}

/** Cursors of one group that move with a transaction. */
export interface CursorMove {
  readonly group: string
  /**
   * Called once the records have been written, because a cursor's metadata may name the offsets
   * that they got. What it throws undoes the transaction and is thrown on.
   */
  readonly cursors: (written: Written) => readonly Cursor[]
  /**
   * Called right after `cursors`: on whose behalf they move. The group refuses them once it has
   * another generation (KIP-447). Absent: only the transactional id fences.
   */
  readonly member?: () => Membership
}

export interface TransactionBatch {
  readonly records: readonly OutRecord[]
  readonly moves: readonly CursorMove[]
}

/** The only writer under one transactional id. */
export interface LogTransactions {
  /**
   * Fences the former holder of the id and settles its open transaction. Must precede reading
   * cursors (take-over order).
   */
  fence(): Promise<void>
  /**
   * Writes all records and moves all cursors, or nothing of it. Throws LogError; after `unknown`
   * the caller must fence again and compare its committed cursors; after `retriable` and `outdated`
   * nothing has happened.
   */
  commit(batch: TransactionBatch): Promise<Written>
  close(): Promise<void>
}

/** Idempotent writer, acknowledged by all replicas. */
export interface LogWriter {
  /** All are durable when it resolves; some when it rejects: write again with the same ids. */
  write(records: readonly OutRecord[]): Promise<Written>
  close(): Promise<void>
}

export interface LogClient {
  readonly admin: LogAdmin
  consumer(options: ConsumerOptions): LogConsumer
  reader(): LogReader
  transactions(options: { readonly transactionalId: string; readonly timeoutMs: number }): LogTransactions
  writer(): LogWriter
  close(): Promise<void>
}
