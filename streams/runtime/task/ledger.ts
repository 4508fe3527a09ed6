import type { Topology } from '../../dsl/topology.ts'
import type { Cursor, OutRecord, TopicPartition, Written } from '../../log/port.ts'
import type { Committer } from '../commit/committer.ts'
import type { Ownership } from '../commit/part.ts'
import { changelogsAfter, writeCursorMetadata } from '../opening/cursor.ts'
import { Marks } from '../opening/marks.ts'
import type { Origin } from '../opening/origin.ts'
import type { RowChange, Store } from '../store/store.ts'
import type { Table } from '../store/table.ts'
import { changelogRecord, emittedRecord, poisonRecord, type OutputContext } from './outputs.ts'
import type { Effects } from './round.ts'

/**
 * What a task has committed: where its inputs stand, how far they were ever processed (the marks),
 * and where its changelogs end. Its one act is to commit a round: outputs, row changes and cursors
 * in one transaction on the log, then rows and checkpoint in one batch of the local store. Between
 * the two a crash costs nothing but reading the tail again.
 */
export interface LedgerOptions {
  readonly group: string
  readonly topology: Topology
  readonly partition: number
  readonly committer: Committer
  readonly owner: Ownership
  /** Partition counts of every topic that the topology writes. */
  readonly partitions: ReadonlyMap<string, number>
}

export interface RoundResult {
  readonly effects: Pick<Effects, 'emissions' | 'poison'>
  /** Next offset to read of each input, once this round is done. */
  readonly nextOffsets: ReadonlyMap<string, number>
  readonly nowMs: number
  /** The newest time that the log has shown. */
  readonly logMs: number | undefined
}

/** A round that is ready to be committed. The table that it was taken from has frozen it. */
export interface Prepared {
  readonly round: RoundResult
  readonly records: readonly OutRecord[]
  readonly changes: readonly RowChange[]
  readonly marks: readonly RowChange[]
  /** Earliest timer that the round armed; Infinity for none. */
  readonly earliestArmedMs: number
}

export class Ledger {
  readonly marks = new Marks()
  readonly #options: LedgerOptions
  readonly #outputs: OutputContext
  /** As this member has committed them. */
  readonly #cursors = new Map<string, number>()
  readonly #topicIds = new Map<string, string | undefined>()

  constructor(options: LedgerOptions) {
    this.#options = options
    const { topology, partition, partitions } = options
    this.#outputs = { topology, partition, partitions }
  }

  /** After a restore: the store knows the marks. */
  open(store: Store): void {
    const topics = this.#options.topology.inputs.map(({ name }) => name)
    this.marks.open(store, topics)
    this.#cursors.clear()
  }

  /** The log knows the cursor; what is put right is written with the next commit. */
  begin(origin: Origin): void {
    this.marks.begin(origin)
    this.#topicIds.set(origin.topic, origin.topicId)
  }

  /** The round before must have been committed. */
  async prepare(table: Table, round: RoundResult): Promise<Prepared> {
    const marks = this.marks.changes(round.nextOffsets)
    const changes = [...(await table.freeze(this.#options.committer.breath)), ...marks]
    const records = await this.#recordsOf(round, changes)
    return { round, records, changes, marks, earliestArmedMs: earliestOf(changes) }
  }

  async commit(store: Store, table: Table, { round, records, changes, marks }: Prepared): Promise<void> {
    const { committer, group, owner, topology, partition } = this.#options
    const moved = this.#moved(round.nextOffsets)
    const before = store.checkpoint().changelogs
    const part = {
      task: { topology: topology.name, partition },
      group,
      owner,
      records,
      cursors: (written: Written) => this.#cursorsAt(moved, this.#after(before, written), round.logMs),
    }
    const changelogs = this.#after(before, await committer.commit(part))
    for (const [topic, next] of moved) this.#cursors.set(topic, next)
    await store.commit(changes, { changelogs, atMs: round.nowMs })
    table.applied()
    this.marks.applied(marks)
  }

  at(topic: string): TopicPartition {
    return { topic, partition: this.#options.partition }
  }

  /**
   * At least one, also when none has moved: it is by its cursors that the group refuses a member
   * that has lost its partition, and they say where the changelogs end.
   */
  #moved(nextOffsets: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
    const moved = [...nextOffsets].filter(([topic, next]) => next !== this.#cursors.get(topic))
    return moved.length > 0 ? moved : [...nextOffsets].slice(0, 1)
  }

  #after(before: Readonly<Record<string, number>>, written: Written): Readonly<Record<string, number>> {
    return changelogsAfter(this.#options.topology, this.#options.partition, before, written)
  }

  #cursorsAt(
    moved: readonly (readonly [string, number])[],
    changelogs: Readonly<Record<string, number>>,
    logMs: number | undefined,
  ): readonly Cursor[] {
    const { partitions, committer, owner } = this.#options
    const who = { writer: committer.id, member: owner.member()?.memberId }
    return moved.map(([topic, next]) => {
      const about = { topicId: this.#topicIds.get(topic), partitions: partitions.get(topic), logMs, ...who }
      return { ...this.at(topic), next, metadata: writeCursorMetadata(changelogs, about) }
    })
  }

  async #recordsOf(
    { effects, nowMs }: RoundResult,
    changes: readonly RowChange[],
  ): Promise<readonly OutRecord[]> {
    const { breath } = this.#options.committer
    const records: OutRecord[] = []
    for (const emitted of effects.emissions) {
      records.push(emittedRecord(emitted, this.#outputs))
      if (breath.isDue) await breath.pause()
    }
    for (const poisoned of effects.poison) records.push(poisonRecord(poisoned))
    for (const change of changes) records.push(changelogRecord(change, this.#outputs, nowMs))
    return records
  }
}

function earliestOf(changes: readonly RowChange[]): number {
  let earliestMs = Number.POSITIVE_INFINITY
  for (const change of changes) {
    for (const timer of change.armed) earliestMs = Math.min(earliestMs, timer.dueMs)
  }
  return earliestMs
}
