import type { Topology } from '../../dsl/topology.ts'
import type { Cursor, LogTransactions, OutRecord, TopicPartition } from '../../log/port.ts'
import { changelogsAfter, writeCursorMetadata } from '../opening/cursor.ts'
import type { Breath } from './breath.ts'
import { Marks } from '../opening/marks.ts'
import type { Origin } from '../opening/origin.ts'
import { changelogRecord, emittedRecord, poisonRecord, type OutputContext } from './outputs.ts'
import type { Effects } from './round.ts'
import type { RowChange, Store } from '../store/store.ts'
import type { Table } from '../store/table.ts'

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
  readonly transactions: LogTransactions
  /** Partition counts of every topic that the topology writes. */
  readonly partitions: ReadonlyMap<string, number>
  readonly breath: Breath
}

export interface RoundResult {
  readonly effects: Pick<Effects, 'emissions' | 'poison'>
  /** Next offset to read of each input, once this round is done. */
  readonly nextOffsets: ReadonlyMap<string, number>
  readonly nowMs: number
  /** The newest time that the log has shown. */
  readonly logMs: number | undefined
}

export interface Committed {
  readonly written: number
  /** Earliest timer that the round armed; Infinity for none. */
  readonly earliestArmedMs: number
  readonly changes: readonly RowChange[]
}

export class Ledger {
  readonly marks = new Marks()
  readonly #options: LedgerOptions
  readonly #outputs: OutputContext
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
  begin(origin: Origin, cursor: Cursor | undefined): void {
    this.marks.begin(origin)
    this.#topicIds.set(origin.topic, origin.topicId)
    if (cursor !== undefined && origin.fate === 'same') this.#cursors.set(origin.topic, cursor.next)
  }

  async commit(store: Store, table: Table, round: RoundResult): Promise<Committed> {
    const { breath } = this.#options
    const marks = this.marks.changes(round.nextOffsets)
    const changes = [...(await table.changes(breath)), ...marks]
    const records = await this.#recordsOf(round, changes)
    const changelogs = await this.#write(store, records, round)
    await store.commit(changes, { changelogs, atMs: round.nowMs })
    table.applied()
    this.marks.applied(marks)
    return { written: records.length, earliestArmedMs: earliestOf(changes), changes }
  }

  at(topic: string): TopicPartition {
    return { topic, partition: this.#options.partition }
  }

  async #recordsOf(
    { effects, nowMs }: RoundResult,
    changes: readonly RowChange[],
  ): Promise<readonly OutRecord[]> {
    const { breath } = this.#options
    const records: OutRecord[] = []
    for (const emitted of effects.emissions) {
      records.push(emittedRecord(emitted, this.#outputs))
      if (breath.isDue) await breath.pause()
    }
    for (const poisoned of effects.poison) records.push(poisonRecord(poisoned))
    for (const change of changes) records.push(changelogRecord(change, this.#outputs, nowMs))
    return records
  }

  /** One transaction. Answers where each changelog goes on. */
  async #write(
    store: Store,
    records: readonly OutRecord[],
    { nextOffsets, logMs }: RoundResult,
  ): Promise<Readonly<Record<string, number>>> {
    const { topology, partition, transactions, group, partitions } = this.#options
    const moved = [...nextOffsets].filter(([topic, next]) => next !== this.#cursors.get(topic))
    let changelogs = store.checkpoint().changelogs
    await transactions.commit({
      records,
      group,
      cursors: (written) => {
        changelogs = changelogsAfter(topology, partition, changelogs, written)
        return moved.map(([topic, next]) => {
          const about = { topicId: this.#topicIds.get(topic), partitions: partitions.get(topic), logMs }
          return { ...this.at(topic), next, metadata: writeCursorMetadata(changelogs, about) }
        })
      },
    })
    for (const [topic, next] of moved) this.#cursors.set(topic, next)
    return changelogs
  }
}

function earliestOf(changes: readonly RowChange[]): number {
  let earliestMs = Number.POSITIVE_INFINITY
  for (const change of changes) {
    for (const timer of change.armed) earliestMs = Math.min(earliestMs, timer.dueMs)
  }
  return earliestMs
}
