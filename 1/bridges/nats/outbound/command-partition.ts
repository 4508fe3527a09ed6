import { dispatchRefusals } from '../../../streams/contracts/outbound.ts'
import {
  isReplayed,
  partitionKey,
  type Bounds,
  type Cursor,
  type LogClient,
  type LogRecord,
  type LogTransactions,
  type OutRecord,
  type TopicPartition,
  type Written,
} from '../../../streams/log/port.ts'
import type { Batch, PartitionOwner } from '../../../streams/runtime/consume.ts'
import type { OutboundEvent } from './event.ts'
import type { PublishedCommands } from './published-commands.ts'
import {
  advanced,
  claimRecord,
  covers,
  isOfSameTopic,
  markRecord,
  NO_MARK,
  type Mark,
  type PublishedMarks,
} from './published-marks.ts'
import { refusedRecord } from './refused-command.ts'
import { UnmarkedCommands } from './unmarked-commands.ts'

/** Records in one batch of a partition. */
export const OUTBOUND_BATCH_MAX = 256
/** How old the proof of ownership may be when a command leaves. */
export const OWNERSHIP_MS_MAX = 10_000
const TRANSACTION_MS_MAX = 15_000

/** One command that is not done. */
export interface Command {
  readonly record: LogRecord
  readonly event: OutboundEvent
}

interface Ack {
  readonly sequence: number
  readonly duplicate: boolean
}

/** What decides whether a command may leave. */
export interface CommandGate {
  /** Before each attempt at a batch: proves the ownership and finds out what NATS has already. */
  prepare(undone: readonly Command[]): Promise<void>
  /** Published before, as the mark says. */
  covers(record: LogRecord): boolean
  /** Published before and not marked: the stream has it. */
  isHeld(event: OutboundEvent): boolean
  /** Synchronous, directly before the command leaves. Throws StaleOwnership. */
  permit(): void
  /** Somebody else seems to publish: the ownership must be proven anew. */
  doubt(): void
  /** Behind which message of its subject NATS may take it. */
  lastOf(event: OutboundEvent): number | undefined
  /** NATS has it under this sequence of its stream. */
  acknowledged(event: OutboundEvent, ack: Ack): void
  /** NATS will never take it: `outbound` is told, with the cursor. */
  refused(record: LogRecord, reason: string): Promise<void>
}

/** The process was away for so long that somebody else may publish: it has to ask the log first. */
export class StaleOwnership extends Error {
  override readonly name = 'StaleOwnership'
}

/** Commands were published before, and nobody knows which. See docs/runbooks/bridge-marks.md. */
export class UnmarkedHistory extends Error {
  override readonly name = 'UnmarkedHistory'
}

export interface CommandPartitionOptions {
  readonly at: TopicPartition
  readonly group: string
  readonly log: LogClient
  readonly marks: PublishedMarks
  readonly published: PublishedCommands
  readonly publish: (batch: Batch, gate: CommandGate) => Promise<void>
  /** Publishes although the mark is missing, as somebody has ordered. */
  readonly isUnmarkedAllowed: boolean
  /** What the stream no longer holds cannot be looked up in it. */
  readonly streamAgeMsMax: number
  readonly now: () => number
}

/**
 * One partition of commands, from an assignment to the next: no SMS is sent twice by a replay, a
 * crash or a frozen bridge [P4], [P7], [P8]. ADR 0034 says why each step is there.
 *
 * Order: fence, read the mark, publish, await the acks, commit mark and cursor in one transaction.
 */
export class CommandPartition implements PartitionOwner, CommandGate {
  readonly #options: CommandPartitionOptions
  readonly #transactions: LogTransactions
  #mark: Mark | undefined
  #topicId: string | undefined
  /** When the log last confirmed that the partition is ours. */
  #provenMs = Number.NEGATIVE_INFINITY
  /** Offsets of the batch in hand that were sent with an unknown outcome. */
  readonly #tried = new Set<number>()
  #unmarked: UnmarkedCommands
  #refusals: OutRecord[] = []

  constructor(options: CommandPartitionOptions) {
    const { log, group, at } = options
    this.#options = options
    this.#unmarked = new UnmarkedCommands(options.published, undefined)
    this.#transactions = log.transactions({
      transactionalId: `${group}.${at.topic}.${at.partition}`,
      timeoutMs: TRANSACTION_MS_MAX,
    })
  }

  async open(): Promise<void> {
    const { log, at, group, marks } = this.#options
    this.#forget()
    await this.#transactions.fence()
    const seen = await this.#claim()
    const found = await marks.of({ ...at, group }, seen)
    const committed = await log.admin.committed(group, [at])
    const bounds = (await log.admin.bounds([at])).get(partitionKey(at)) ?? { start: 0, end: 0 }
    this.#topicId = bounds.topicId
    if (found !== undefined) this.#use(this.#adopted(found))
    else await this.#withoutMark(bounds, committed.has(partitionKey(at)))
  }

  handle(batch: Batch): Promise<void> {
    return this.#options.publish(batch, this)
  }

  /**
   * NATS has it, so nothing of it leaves again from here. An owner after us may find it beyond the
   * mark in the stream.
   */
  done(batch: Batch): void {
    const { sequences } = this.#unmarked
    const before = this.#mark ?? NO_MARK
    this.#mark = { ...advanced(before, batch.records), topicId: this.#topicId, sequences }
    this.#unmarked.marked(sequences)
    this.#tried.clear()
  }

  async commit(cursor: Cursor): Promise<void> {
    await this.#commit([...this.#refusals, this.#recordOf(this.#mark ?? NO_MARK)], [cursor])
    this.#refusals = []
  }

  doubt(): void {
    this.#provenMs = Number.NEGATIVE_INFINITY
  }

  close(): Promise<void> {
    return this.#transactions.close()
  }

  async prepare(undone: readonly Command[]): Promise<void> {
    const open = undone.filter(({ record }) => !isReplayed(record.headers) && !this.covers(record))
    if (this.#mark === undefined) await this.#begin(undone)
    if (!this.#isProven()) await this.#claim()
    for (const { record, event } of open) if (this.#tried.has(record.offset)) this.#unmarked.forget(event)
    await this.#unmarked.lookAt(open.map(({ event }) => event))
    for (const { record } of open) this.#tried.add(record.offset)
  }

  covers(record: LogRecord): boolean {
    return this.#mark !== undefined && covers(this.#mark, record)
  }

  isHeld(event: OutboundEvent): boolean {
    return this.#unmarked.has(event)
  }

  permit(): void {
    if (!this.#isProven()) throw new StaleOwnership(`${partitionKey(this.#options.at)} must be proven again`)
  }

  lastOf(event: OutboundEvent): number | undefined {
    return this.#unmarked.lastOf(event)
  }

  acknowledged({ subject }: OutboundEvent, { sequence, duplicate }: Ack): void {
    this.#unmarked.acknowledged(subject, sequence, duplicate)
  }

  async refused(record: LogRecord, reason: string): Promise<void> {
    const { log, now } = this.#options
    const partitions = (await log.admin.partitions([dispatchRefusals.name])).get(dispatchRefusals.name)
    if (partitions === undefined) throw new Error(`topic ${dispatchRefusals.name} does not exist`)
    const refusal = refusedRecord(record, reason, { partitions, nowMs: now() })
    if (refusal !== null) this.#refusals.push(refusal)
  }

  #forget(): void {
    this.#mark = undefined
    this.#provenMs = Number.NEGATIVE_INFINITY
    this.#tried.clear()
    this.#refusals = []
  }

  #use(mark: Mark): void {
    this.#mark = mark
    this.#unmarked = new UnmarkedCommands(this.#options.published, mark.sequences)
  }

  /** Of another topic it tells only that there was one, and up to where the stream is marked. */
  #adopted(found: Mark): Mark {
    if (isOfSameTopic(found, this.#topicId)) return found
    return { ...NO_MARK, topicId: this.#topicId, sequences: found.sequences }
  }

  /** An empty topic gets its mark at once: from then on a missing one is a lost one. */
  async #withoutMark({ start, end }: Bounds, hasCursor: boolean): Promise<void> {
    if (this.#options.isUnmarkedAllowed) return this.#write({ ...NO_MARK, topicId: this.#topicId })
    if (start > 0 || hasCursor) throw this.#lost('it was read before')
    if (end === 0) await this.#write({ ...NO_MARK, topicId: this.#topicId, sequences: {} })
  }

  /** The first commands of a partition that has no mark: is it new, or was the mark lost? */
  async #begin(first: readonly Command[]): Promise<void> {
    const { published, now, streamAgeMsMax } = this.#options
    for (const subject of new Set(first.map(({ event }) => event.subject)))
      if ((await published.last(subject)) > 0) throw this.#lost('NATS holds commands of its operators')
    if (first.some(({ record }) => now() - record.timestamp > streamAgeMsMax))
      throw this.#lost('it holds commands that are older than what NATS keeps')
    await this.#write({ ...NO_MARK, topicId: this.#topicId, sequences: {} })
  }

  #lost(why: string): UnmarkedHistory {
    return new UnmarkedHistory(`${partitionKey(this.#options.at)} has no mark on bridge.marks, but ${why}`)
  }

  async #write(mark: Mark): Promise<void> {
    await this.#commit([this.#recordOf(mark)], [])
    this.#use(mark)
  }

  #recordOf(mark: Mark): OutRecord {
    const { at, group } = this.#options
    return markRecord({ ...at, group }, mark)
  }

  #claim(): Promise<Written> {
    const { at, group, now } = this.#options
    return this.#commit([claimRecord({ ...at, group }, now())], [])
  }

  /** What is committed proves that the partition was ours when it was asked for. */
  async #commit(records: readonly OutRecord[], cursors: readonly Cursor[]): Promise<Written> {
    const { group, now } = this.#options
    const askedMs = now()
    const written = await this.#transactions.commit({ records, moves: [{ group, cursors: () => cursors }] })
    this.#provenMs = askedMs
    return written
  }

  /** A clock that was set back proves nothing either. */
  #isProven(): boolean {
    const ageMs = this.#options.now() - this.#provenMs
    return ageMs >= 0 && ageMs <= OWNERSHIP_MS_MAX
  }
}
