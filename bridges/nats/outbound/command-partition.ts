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
  acknowledged(event: OutboundEvent, sequence: number): void
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
  /** Records that a former owner may have published without a mark: those below, so many. */
  #doubtBelow = 0
  #doubtLeft = 0
  /** Offsets of the batch in hand that were sent with an unknown outcome. */
  readonly #tried = new Set<number>()
  /** What NATS holds of the records in doubt. */
  #held: ReadonlyMap<string, number> = new Map()
  /** By subject, the last message as this owner knows it. One subject for each operator. */
  readonly #last = new Map<string, number>()
  /** Highest stream sequence acknowledged since the mark got its own; 0: none. */
  #acknowledged = 0
  #refusals: OutRecord[] = []

  constructor(options: CommandPartitionOptions) {
    const { log, group, at } = options
    this.#options = options
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
    this.#doubtBelow = bounds.end
    this.#doubtLeft = OUTBOUND_BATCH_MAX
    this.#mark = found && this.#adopted(found)
    if (this.#mark === undefined) await this.#unmarked(bounds, committed.has(partitionKey(at)))
  }

  handle(batch: Batch): Promise<void> {
    return this.#options.publish(batch, this)
  }

  async commit(batch: Batch, cursor: Cursor): Promise<void> {
    const before = this.#mark ?? { ...NO_MARK, topicId: this.#topicId }
    const doubtLeft = this.#doubtLeft - batch.records.length
    const isDoubtOver = doubtLeft <= 0 || batch.next >= this.#doubtBelow
    const moved = advanced(before, batch.records)
    const isRaised = isDoubtOver && this.#acknowledged > 0
    const sequence = isRaised ? this.#acknowledged : before.sequence
    const mark: Mark = { ...moved, topicId: this.#topicId, sequence }
    await this.#commit([...this.#refusals, this.#recordOf(mark)], [cursor])
    this.#mark = mark
    this.#doubtLeft = isDoubtOver ? 0 : doubtLeft
    this.#refusals = []
    this.#tried.clear()
    this.#held = new Map()
    if (isRaised) this.#acknowledged = 0
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
    if (open.some(({ record }) => this.#tried.has(record.offset))) this.#last.clear()
    await this.#lookAtLast(open)
    await this.#lookUp(open.filter(({ record }) => this.#isInDoubt(record)))
    for (const { record } of open) this.#tried.add(record.offset)
  }

  covers(record: LogRecord): boolean {
    return this.#mark !== undefined && covers(this.#mark, record)
  }

  isHeld({ messageId }: OutboundEvent): boolean {
    return this.#held.has(messageId)
  }

  permit(): void {
    if (!this.#isProven()) throw new StaleOwnership(`${partitionKey(this.#options.at)} must be proven again`)
  }

  lastOf({ subject }: OutboundEvent): number | undefined {
    return this.#last.get(subject)
  }

  acknowledged({ subject }: OutboundEvent, sequence: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, sequence)
    this.#last.set(subject, Math.max(this.#last.get(subject) ?? 0, sequence))
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
    this.#held = new Map()
    this.#last.clear()
    this.#tried.clear()
    this.#refusals = []
    this.#acknowledged = 0
  }

  /** Of another topic it tells only that there was one, and up to where the stream is marked. */
  #adopted(found: Mark): Mark {
    if (isOfSameTopic(found, this.#topicId)) return found
    return { ...NO_MARK, topicId: this.#topicId, sequence: found.sequence }
  }

  /** An empty topic gets its mark at once: from then on a missing one is a lost one. */
  async #unmarked({ start, end }: Bounds, hasCursor: boolean): Promise<void> {
    if (this.#options.isUnmarkedAllowed) return this.#write({ ...NO_MARK, topicId: this.#topicId })
    if (start > 0 || hasCursor) throw this.#lost('it was read before')
    if (end === 0) await this.#write({ ...NO_MARK, topicId: this.#topicId, sequence: 0 })
  }

  /** The first commands of a partition that has no mark: is it new, or was the mark lost? */
  async #begin(first: readonly Command[]): Promise<void> {
    const { published, now, streamAgeMsMax } = this.#options
    for (const subject of new Set(first.map(({ event }) => event.subject)))
      if ((await published.last(subject)) > 0) throw this.#lost('NATS holds commands of its operators')
    if (first.some(({ record }) => now() - record.timestamp > streamAgeMsMax))
      throw this.#lost('it holds commands that are older than what NATS keeps')
    await this.#write({ ...NO_MARK, topicId: this.#topicId, sequence: 0 })
  }

  #lost(why: string): UnmarkedHistory {
    return new UnmarkedHistory(`${partitionKey(this.#options.at)} has no mark on bridge.marks, but ${why}`)
  }

  async #write(mark: Mark): Promise<void> {
    await this.#commit([this.#recordOf(mark)], [])
    this.#mark = mark
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
    const written = await this.#transactions.commit({ records, group, cursors: () => cursors })
    this.#provenMs = askedMs
    return written
  }

  /** A clock that was set back proves nothing either. */
  #isProven(): boolean {
    const ageMs = this.#options.now() - this.#provenMs
    return ageMs >= 0 && ageMs <= OWNERSHIP_MS_MAX
  }

  #isInDoubt({ offset }: LogRecord): boolean {
    return this.#tried.has(offset) || (this.#doubtLeft > 0 && offset < this.#doubtBelow)
  }

  /** Before anything is looked up: what is published in between is noticed by what it moves. */
  async #lookAtLast(open: readonly Command[]): Promise<void> {
    for (const { event } of open)
      if (!this.#last.has(event.subject))
        this.#last.set(event.subject, await this.#options.published.last(event.subject))
  }

  /** Without a sequence in the mark nobody knows where to look: then NATS's own window is all. */
  async #lookUp(doubtful: readonly Command[]): Promise<void> {
    const sequence = this.#mark?.sequence
    if (sequence === undefined) return
    const held = new Map<string, number>()
    for (const subject of new Set(doubtful.map(({ event }) => event.subject)))
      for (const [id, seq] of await this.#options.published.beyond(subject, sequence)) held.set(id, seq)
    for (const { event } of doubtful) this.acknowledged(event, held.get(event.messageId) ?? 0)
    this.#held = held
  }
}
