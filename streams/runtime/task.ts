import { z } from 'zod'
import { MARKS_STORE, type Topology } from '../dsl/topology.ts'
import {
  LogError,
  partitionKey,
  type Cursor,
  type LogClient,
  type LogReader,
  type LogRecord,
  type LogTransactions,
  type OutRecord,
  type TopicPartition,
} from '../log/port.ts'
import { backoffMs } from '../platform/backoff.ts'
import type { Clock } from './clock.ts'
import { changelogsAfter, changelogsCommitted, writeCursorMetadata } from './cursor.ts'
import { taskName, type Hooks, type TaskId } from './hooks.ts'
import { Inputs, type FlowControl } from './inputs.ts'
import { changelogRecord, emittedRecord, markChange, poisonRecord, type OutputContext } from './outputs.ts'
import type { Prefetcher } from './prefetch.ts'
import { restore } from './restore.ts'
import { planRound, questionsOf, runSteps, type Effects, type Poison } from './round.ts'
import type { RowChange, Store, StoredTimer, StoreFactory } from './store.ts'
import { Table } from './table.ts'
import { Wake } from './wake.ts'

/**
 * Partition p of a topology: the unit of ownership, restore and commit. One transactional id, one local store.
 *
 * States. *opening*: entered when the partition is assigned or after a transaction failed; fences, reads the cursor,
 * restores the tail, seeks; left for running. *running*: rounds of read, ask, handle, commit; left for opening when a
 * transaction fails or its outcome is unknown, for closed on revocation, for failed on a programmer error. *failed*: needs a
 * person; nothing is skipped. *closed*: the store is released.
 */
export interface TaskLimits {
  readonly recordsPerRoundMax: number
  readonly recordsPerTopicMax: number
  readonly timersPerRoundMax: number
  /** Least time between the starts of two transactions while fewer than a full round waits. */
  readonly commitMs: number
  readonly transactionTimeoutMs: number
  readonly restoreBytesMax: number
  /** Decoded rows kept beside the store. */
  readonly recentRowsMax: number
}

export const DEFAULT_LIMITS: TaskLimits = {
  recordsPerRoundMax: 2000,
  recordsPerTopicMax: 4000,
  timersPerRoundMax: 1000,
  commitMs: 100,
  transactionTimeoutMs: 15_000,
  restoreBytesMax: 4 * 1024 * 1024,
  recentRowsMax: 20_000,
}

export interface TaskOptions {
  readonly app: string
  readonly topology: Topology
  readonly partition: number
  readonly log: LogClient
  readonly stores: StoreFactory
  readonly prefetcher: Prefetcher
  readonly clock: Clock
  readonly random: () => number
  readonly hooks: Hooks
  readonly limits: TaskLimits
  /** Partition counts of every topic that the topology writes. */
  readonly partitions: ReadonlyMap<string, number>
  readonly flow: FlowControl
  /** Continues the topic's partition, paused until now, at `offset`. */
  readonly seek: (topic: string, offset: number) => void
}

export type TaskState = 'opening' | 'running' | 'failed' | 'closed'

const REOPEN = { firstMs: 100, maxMs: 10_000, jitter: 0.2 }
/** A fenced task is most likely no longer ours: the group's next generation says so before this has passed. */
const FENCED_WAIT_MS = 2000
const Mark = z.coerce.number().int().min(0)

export class Task {
  readonly id: TaskId
  readonly #options: TaskOptions
  readonly #sources: readonly string[]
  readonly #inputs: Inputs
  readonly #wake: Wake
  readonly #stop = new AbortController()
  readonly #transactions: LogTransactions
  readonly #reader: LogReader
  readonly #outputs: OutputContext
  readonly #marks = new Map<string, number>()
  /** Ends of the inputs when the task opened: until they are reached, no timer overtakes the backlog. */
  readonly #backlog = new Map<string, number>()
  #state: TaskState = 'opening'
  #store: Store | undefined
  #table: Table | undefined
  #cursors = new Map<string, number>()
  #lastCommitMs = 0
  /** Earliest entry of the timer index, stale ones included. */
  #nextDueMs = Number.POSITIVE_INFINITY
  #done: Promise<void> | undefined

  constructor(options: TaskOptions) {
    const { topology, partition, log, app, limits } = options
    this.#options = options
    this.id = { topology: topology.name, partition }
    this.#sources = topology.inputs.map((topic) => topic.name)
    this.#inputs = new Inputs(this.#sources, limits, options.flow)
    this.#wake = new Wake(options.clock)
    this.#outputs = { topology, partition, partitions: options.partitions }
    this.#reader = log.reader()
    this.#transactions = log.transactions({
      transactionalId: `${app}.${taskName(this.id)}`,
      timeoutMs: limits.transactionTimeoutMs,
    })
  }

  get state(): TaskState {
    return this.#state
  }

  get buffered(): number {
    return this.#inputs.size
  }

  start(): void {
    this.#done ??= this.#live()
  }

  offer(topic: string, records: readonly LogRecord[], next: number): void {
    if (this.#state !== 'running') return
    this.#inputs.offer(topic, records, next)
    this.#wake.notify()
  }

  /** Stops after the round in hand; the open round of a partition that was lost is fenced by its new owner anyway. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake.notify()
    await this.#done
    await this.#reader.close()
    await this.#transactions.close()
    await this.#store?.close()
    if (this.#state !== 'failed') this.#state = 'closed'
    this.#options.hooks.closed(this.id)
  }

  async #live(): Promise<void> {
    const { clock, random, hooks } = this.#options
    for (let attempt = 1; !this.#stop.signal.aborted; attempt += 1) {
      try {
        await this.#open()
        attempt = 0
        await this.#run()
      } catch (error) {
        this.#table?.dropped()
        if (!(error instanceof LogError) || error.code === 'fatal') return this.#fail(error)
        if (this.#stop.signal.aborted) return
        this.#state = 'opening'
        for (const topic of this.#sources) this.#options.flow(topic, 'pause')
        if (error.code === 'fenced') hooks.fenced(this.id)
        else hooks.recovering(this.id, error)
        const waitMs = error.code === 'fenced' ? FENCED_WAIT_MS : backoffMs(attempt, { ...REOPEN, random })
        await clock.sleep(waitMs, this.#stop.signal)
      }
    }
  }

  #fail(error: unknown): void {
    this.#state = 'failed'
    this.#options.hooks.failed(this.id, error)
  }

  /** The take-over order must not change: fence, read the cursor, restore to the changelog's end, seek. */
  async #open(): Promise<void> {
    const { log, topology, hooks, clock } = this.#options
    this.#state = 'opening'
    await this.#transactions.fence()
    const at = this.#sources.map((topic) => this.#at(topic))
    const committed = await log.admin.committed(this.#group, at)
    const bounds = await log.admin.bounds(at)
    const startedMs = clock.now()
    const store = await this.#openStore()
    const records = await restore({
      topology,
      partition: this.id.partition,
      reader: this.#reader,
      store,
      atLeast: changelogsCommitted(committed),
      bytesMax: this.#options.limits.restoreBytesMax,
      onProgress: (remaining) => hooks.restoring(this.id, remaining),
      sleep: clock.sleep,
      signal: this.#stop.signal,
    })
    hooks.restored(this.id, records, clock.now() - startedMs)
    this.#table = this.#newTable(store)
    this.#readMarks(store)
    this.#nextDueMs = await store.nextDueMs()
    if (this.#stop.signal.aborted) return
    this.#state = 'running'
    for (const topic of this.#sources) this.#begin(topic, committed, bounds)
    hooks.running(this.id)
  }

  async #openStore(): Promise<Store> {
    const { stores, hooks } = this.#options
    this.#store ??= await stores.open(taskName(this.id), (reason) => hooks.wiped(this.id, reason))
    return this.#store
  }

  #newTable(store: Store): Table {
    const schemas = this.#options.topology.processors.flatMap((processor) =>
      processor.state === undefined ? [] : [[processor.state.store, processor.state.schema] as const],
    )
    return new Table(store, new Map(schemas), this.#options.limits.recentRowsMax)
  }

  #readMarks(store: Store): void {
    this.#marks.clear()
    for (const topic of this.#sources) {
      const mark = store.get(MARKS_STORE, topic)
      if (mark !== undefined) this.#marks.set(topic, Mark.parse(mark))
    }
  }

  #begin(
    topic: string,
    committed: ReadonlyMap<string, Cursor>,
    bounds: ReadonlyMap<string, { start: number; end: number }>,
  ): void {
    const key = partitionKey(this.#at(topic))
    const { start, end } = bounds.get(key) ?? { start: 0, end: 0 }
    const cursor = committed.get(key)?.next ?? start
    const next = Math.max(cursor, start)
    if (cursor < start) this.#options.hooks.gap(this.id, topic, cursor, start)
    this.#cursors.set(topic, cursor)
    if (end > next) this.#backlog.set(topic, end)
    else this.#backlog.delete(topic)
    this.#inputs.reset(topic, next)
    this.#options.seek(topic, next)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#awaitWork()
      if (this.#stop.signal.aborted) return
      await this.#round()
    }
  }

  /** Work is a record or a due timer; few records wait for company until `commitMs` after the last transaction began. */
  async #awaitWork(): Promise<void> {
    const { clock, limits } = this.#options
    while (!this.#stop.signal.aborted) {
      const nowMs = clock.now()
      // A clock that was set back says nothing of the last transaction; waiting until it has caught up may take hours.
      const sinceMs = nowMs - this.#lastCommitMs
      const pauseMs = sinceMs < 0 ? 0 : limits.commitMs - sinceMs
      const full = this.#inputs.size >= limits.recordsPerRoundMax
      const some = this.#inputs.size > 0 || this.#nextDueMs <= this.#horizonMs(nowMs)
      if (full || (some && pauseMs <= 0)) return
      const untilTimerMs = this.#backlog.size > 0 ? Number.POSITIVE_INFINITY : this.#nextDueMs - nowMs
      await this.#wake.wait(some ? pauseMs : untilTimerMs)
    }
  }

  async #round(): Promise<void> {
    const { clock, topology, limits, prefetcher, hooks } = this.#options
    const { store, table } = this.#opened()
    const startedMs = clock.now()
    this.#lastCommitMs = startedMs
    const records = this.#inputs.take(limits.recordsPerRoundMax)
    const timers = await this.#dueTimers(store, this.#horizonMs(startedMs))
    const plan = planRound(topology, records, timers, this.#marks)
    const asked = questionsOf(plan.steps, table)
    const answers = await prefetcher.answer(asked)
    const askedCount = asked.filter((questions) => questions !== null).length
    if (askedCount > 0) hooks.asked(this.id, askedCount, clock.now() - startedMs)
    const effects = runSteps(plan.steps, answers, table)
    await this.#commit(records, effects, plan.poison, timers.length - effects.stale.length)
    await this.#dropStale(store, effects.stale)
  }

  #opened(): { store: Store; table: Table } {
    if (this.#store === undefined || this.#table === undefined)
      throw new Error(`${taskName(this.id)} is not open`)
    return { store: this.#store, table: this.#table }
  }

  /**
   * How far timers may fire: to the wall clock, but never past a record that waits, nor while the backlog found at take-over
   * is being read. Else a restart after an outage would give up on what the log has already answered.
   */
  #horizonMs(nowMs: number): number {
    const positions = this.#inputs.positions()
    for (const [topic, end] of this.#backlog) {
      if ((positions.get(topic) ?? 0) >= end) this.#backlog.delete(topic)
    }
    return this.#backlog.size > 0 ? Number.NEGATIVE_INFINITY : Math.min(nowMs, this.#inputs.horizonMs())
  }

  async #dueTimers(store: Store, horizonMs: number): Promise<readonly StoredTimer[]> {
    if (this.#nextDueMs > horizonMs) return []
    return store.dueTimers(horizonMs, this.#options.limits.timersPerRoundMax)
  }

  async #dropStale(store: Store, stale: readonly StoredTimer[]): Promise<void> {
    await store.dropTimers(stale)
    if (this.#nextDueMs <= this.#options.clock.now()) this.#nextDueMs = await store.nextDueMs()
  }

  async #commit(
    records: readonly LogRecord[],
    effects: Effects,
    poison: readonly Poison[],
    fired: number,
  ): Promise<void> {
    const { clock, hooks } = this.#options
    const { store, table } = this.#opened()
    const startedMs = clock.now()
    const marks = this.#advancedMarks()
    const changes: readonly RowChange[] = [
      ...table.changes(),
      ...marks.map(([topic, mark]) => markChange(topic, mark)),
    ]
    const out: readonly OutRecord[] = [
      ...effects.emissions.map((emitted) => emittedRecord(emitted, this.#outputs)),
      ...poison.map(poisonRecord),
      ...changes.map((change) => changelogRecord(change, this.#outputs, startedMs)),
    ]
    const changelogs = await this.#write(out)
    await store.commit(changes, { changelogs })
    table.applied()
    for (const [topic, mark] of marks) this.#marks.set(topic, mark)
    for (const change of changes) {
      for (const timer of change.armed) this.#nextDueMs = Math.min(this.#nextDueMs, timer.dueMs)
    }
    for (const poisoned of poison) {
      const { topic, offset } = poisoned.record
      hooks.poisoned(this.id, topic, offset, poisoned.reason, poisoned.paths)
    }
    if (effects.notes.length > 0) hooks.noted(this.id, effects.notes)
    const read = countByTopic(records)
    hooks.committed(this.id, { read, fired, written: out.length, commitMs: clock.now() - startedMs })
  }

  /** One transaction: outputs, changelogs and cursors. Answers where each changelog goes on. */
  async #write(records: readonly OutRecord[]): Promise<Record<string, number>> {
    const { store } = this.#opened()
    const positions = this.#inputs.positions()
    const moved = this.#sources.filter((topic) => positions.get(topic) !== this.#cursors.get(topic))
    let changelogs = { ...store.checkpoint().changelogs }
    await this.#transactions.commit({
      records,
      group: this.#group,
      cursors: (written) => {
        changelogs = changelogsAfter(this.#options.topology, this.id.partition, changelogs, written)
        const metadata = writeCursorMetadata(changelogs)
        return moved.map((topic) => ({ ...this.#at(topic), next: positions.get(topic) ?? 0, metadata }))
      },
    })
    for (const topic of moved) this.#cursors.set(topic, positions.get(topic) ?? 0)
    return changelogs
  }

  #advancedMarks(): readonly (readonly [string, number])[] {
    return [...this.#inputs.positions()].filter(([topic, next]) => next > (this.#marks.get(topic) ?? 0))
  }

  get #group(): string {
    return groupOf(this.#options.app, this.id.topology)
  }

  #at(topic: string): TopicPartition {
    return { topic, partition: this.id.partition }
  }
}

export const groupOf = (app: string, topology: string): string => `${app}.${topology}`

const countByTopic = (records: readonly LogRecord[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const record of records) counts.set(record.topic, (counts.get(record.topic) ?? 0) + 1)
  return counts
}
