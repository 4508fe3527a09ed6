import { z } from 'zod'
import { MARKS_STORE, type Topology } from '../../dsl/topology.ts'
import type { Cursor, LogTransactions, OutRecord, TopicPartition } from '../../log/port.ts'
import { partitionKey } from '../../log/port.ts'
import { changelogsAfter, writeCursorMetadata } from './cursor.ts'
import { changelogRecord, emittedRecord, markChange, poisonRecord, type OutputContext } from './outputs.ts'
import type { Effects, Poison } from './round.ts'
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
}

export interface RoundResult {
  readonly effects: Effects
  readonly poison: readonly Poison[]
  /** Next offset to read of each input, once this round is done. */
  readonly nextOffsets: ReadonlyMap<string, number>
  readonly nowMs: number
}

export interface Committed {
  readonly written: number
  /** Earliest timer that the round armed; Infinity for none. */
  readonly earliestArmedMs: number
  readonly changes: readonly RowChange[]
}

const Mark = z.coerce.number().int().min(0)

export class Ledger {
  /** Everything below was processed once: reading it again is a replay [P3]. */
  readonly marks = new Map<string, number>()
  readonly #options: LedgerOptions
  readonly #outputs: OutputContext
  readonly #cursors = new Map<string, number>()

  constructor(options: LedgerOptions) {
    this.#options = options
    const { topology, partition, partitions } = options
    this.#outputs = { topology, partition, partitions }
  }

  /** After a restore: the store knows the marks, the log the cursors. */
  open(store: Store, committed: ReadonlyMap<string, Cursor>): void {
    this.marks.clear()
    this.#cursors.clear()
    for (const { name } of this.#options.topology.inputs) {
      const mark = store.get(MARKS_STORE, name)
      if (mark !== undefined) this.marks.set(name, Mark.parse(mark))
      const cursor = committed.get(partitionKey(this.at(name)))
      if (cursor !== undefined) this.#cursors.set(name, cursor.next)
    }
  }

  async commit(store: Store, table: Table, round: RoundResult): Promise<Committed> {
    const marks = [...round.nextOffsets].filter(([topic, next]) => next > (this.marks.get(topic) ?? 0))
    const changes = [...table.changes(), ...marks.map(([topic, mark]) => markChange(topic, mark))]
    const records = this.#recordsOf(round, changes)
    const changelogs = await this.#write(store, records, round.nextOffsets)
    await store.commit(changes, { changelogs, atMs: round.nowMs })
    table.applied()
    for (const [topic, mark] of marks) this.marks.set(topic, mark)
    return { written: records.length, earliestArmedMs: earliestOf(changes), changes }
  }

  at(topic: string): TopicPartition {
    return { topic, partition: this.#options.partition }
  }

  #recordsOf({ effects, poison, nowMs }: RoundResult, changes: readonly RowChange[]): readonly OutRecord[] {
    const records: OutRecord[] = []
    for (const emitted of effects.emissions) records.push(emittedRecord(emitted, this.#outputs))
    for (const poisoned of poison) records.push(poisonRecord(poisoned))
    for (const change of changes) records.push(changelogRecord(change, this.#outputs, nowMs))
    return records
  }

  /** One transaction. Answers where each changelog goes on. */
  async #write(
    store: Store,
    records: readonly OutRecord[],
    positions: ReadonlyMap<string, number>,
  ): Promise<Readonly<Record<string, number>>> {
    const { topology, partition, transactions, group } = this.#options
    const moved = [...positions].filter(([topic, next]) => next !== this.#cursors.get(topic))
    let changelogs = store.checkpoint().changelogs
    await transactions.commit({
      records,
      group,
      cursors: (written) => {
        changelogs = changelogsAfter(topology, partition, changelogs, written)
        const metadata = writeCursorMetadata(changelogs)
        return moved.map(([topic, next]) => ({ ...this.at(topic), next, metadata }))
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
