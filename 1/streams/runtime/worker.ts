import type { Topology } from '../dsl/topology.ts'
import {
  type LogClient,
  type LogConsumer,
  type LogReader,
  type LogRecord,
  type Standby,
  type TopicPartition,
} from '../log/port.ts'
import type { Clock } from './clock.ts'
import type { Committer } from './commit/committer.ts'
import { Ownership } from './commit/part.ts'
import { taskName, type Hooks } from './watch/hooks.ts'
import type { Prefetcher } from './task/prefetch.ts'
import { NO_STANDBYS, RECENT_ROWS_PER_PROCESS_MAX, type StandbyLimits, type TaskLimits } from './limits.ts'
import { LogTime } from './log-time.ts'
import { RowBudget } from './store/recent-rows.ts'
import { isStale } from './store/restore.ts'
import { Standbys } from './store/standbys.ts'
import type { Standing } from './watch/standing.ts'
import type { Checkpoint, StoreFactory } from './store/store.ts'
import type { Doing } from './watch/task-progress.ts'
import { Task, type TaskState } from './task/task.ts'
import { groupOf } from './task/names.ts'
import { assertCounts, assertTopics, topicsOf, watchCounts } from './topics.ts'

export interface WorkerOptions {
  readonly app: string
  readonly topology: Topology
  readonly log: LogClient
  readonly stores: StoreFactory
  readonly prefetcher: Prefetcher
  readonly clock: Clock
  readonly random: () => number
  readonly hooks: Hooks
  readonly limits: TaskLimits
  /** One for all workers of the process. */
  readonly committer: Committer
  /** Default: none. */
  readonly standbys?: StandbyLimits
  /** One for all workers of the process. Default: one of its own. */
  readonly rows?: RowBudget
  /** The consumer has ended. */
  readonly onFailed: (error: unknown) => void
}

export interface TaskStatus {
  readonly partition: number
  readonly state: TaskState
  readonly buffered: number
  readonly doing: Doing
  /** Armed timers by changelog topic; undefined until they have been counted. */
  readonly pendingTimers: ReadonlyMap<string, number> | undefined
}

/**
 * One member of a topology's group: it opens a task for every partition that the group assigns to
 * it and closes the task when the partition goes. A task that stays keeps running through a
 * rebalance. Correctness never rests on news in time: the group refuses the cursors of an owner
 * without news. Beside its tasks it keeps standbys: copies of other members' stores, from which it
 * can take their partitions over with a short restore.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #tasks = new Map<number, Task>()
  /** Of the tasks, and of those that are closing. */
  readonly #owners = new Map<number, Ownership>()
  #generation = Number.NaN
  readonly #standbys: Standbys
  /** Closings under way, by partition: the next user of the same store waits for them. */
  readonly #closing = new Map<number, Promise<void>>()
  /** Where the stores stood that lie on disk and are not open. */
  readonly #left = new Map<number, Checkpoint>()
  #partitions: ReadonlyMap<string, number> = new Map()
  #wanted: readonly Standby[] = []
  #consumer: LogConsumer | undefined
  #joined = false
  #leaving = false
  readonly #time: LogTime
  readonly #rows: RowBudget
  readonly #stop = new AbortController()
  #reader: LogReader | undefined
  #watching: Promise<void> = Promise.resolve()

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#rows = options.rows ?? new RowBudget(RECENT_ROWS_PER_PROCESS_MAX)
    this.#time = new LogTime({
      clock: options.clock,
      aheadMsMax: options.limits.clockAheadMsMax,
      doubtMsMax: options.limits.clockDoubtMsMax,
      onDoubt: (aheadMs) => options.hooks.clockDoubted(options.topology.name, aheadMs),
    })
    const { topology, log, stores, clock, random, hooks, standbys: limits = NO_STANDBYS } = options
    const onWarm = (): void => this.#consumer?.reassign()
    this.#standbys = new Standbys({ topology, log, stores, clock, random, hooks, limits, onWarm })
  }

  get name(): string {
    return this.#options.topology.name
  }

  async start(): Promise<void> {
    const { log, topology, app, onFailed, clock, limits, standbys = NO_STANDBYS } = this.#options
    this.#partitions = await log.admin.partitions(topicsOf(topology))
    assertTopics(topology, this.#partitions)
    await assertCounts(topology, this.#partitions, groupOf(app, topology.name), log.admin)
    await this.#lookAround()
    const watching = { topology, clock, onFailed, before: this.#partitions, admin: log.admin }
    this.#watching = watchCounts({ ...watching, everyMs: limits.topicsLookMs, signal: this.#stop.signal })
    this.#consumer = log.consumer({
      group: groupOf(app, topology.name),
      topics: topology.inputs.map((topic) => topic.name),
      standby: { replicas: standbys.replicas, progress: () => this.#progress() },
      onAssigned: (held, generation, standbys) => this.#assigned(held, generation, standbys),
      onRecords: (at, records, next) => this.#received(at, records, next),
      onStopped: (at, error) => this.#tasks.get(at.partition)?.stopped(error),
      onFailed,
    })
    await this.#consumer.start()
  }

  /** True when the group has assigned partitions and every task of this member is running. */
  get ready(): boolean {
    return this.#joined && [...this.#tasks.values()].every((task) => task.state === 'running')
  }

  status(): readonly TaskStatus[] {
    return [...this.#tasks].map(([partition, task]) => ({
      partition,
      state: task.state,
      buffered: task.buffered,
      doing: task.doing,
      pendingTimers: task.pendingTimers(),
    }))
  }

  standings(): readonly Standing[] {
    return [...this.#tasks.values()].flatMap((task) => task.standings())
  }

  /**
   * Records missing in each copy that is kept of another member's task; Infinity until it has been
   * looked at.
   */
  standbys(): ReadonlyMap<number, number> {
    return this.#standbys.behind()
  }

  /**
   * Tasks commit what they have in hand before the group is left, so that the next owner repeats
   * nothing.
   */
  async close(): Promise<void> {
    this.#leaving = true
    this.#stop.abort()
    for (const partition of this.#tasks.keys()) this.#drop(partition)
    await Promise.all([this.#standbys.close(), ...this.#closing.values(), this.#watching])
    await this.#reader?.close()
    await this.#consumer?.stop()
  }

  /** What former processes have left on this disk: partitions go where they are warm. */
  async #lookAround(): Promise<void> {
    const { stores, topology } = this.#options
    const [input] = topology.inputs
    const count = this.#partitions.get(input?.name ?? '') ?? 0
    const numbers = Array.from({ length: count }, (_, partition) => partition)
    const look = async (partition: number): Promise<void> => {
      this.#left.set(partition, await stores.peek(taskName({ topology: topology.name, partition })))
    }
    await Promise.all(numbers.map(look))
  }

  /**
   * Changelog records that each local store holds; one that would be wiped before it is used holds
   * none.
   */
  #progress(): ReadonlyMap<number, number> {
    const nowMs = this.#options.clock.now()
    const all = new Map([...this.#left, ...this.#standbys.checkpoints()])
    for (const [partition, task] of this.#tasks) {
      if (task.checkpoint !== undefined) all.set(partition, task.checkpoint)
    }
    // A task that runs is not away, however long nothing was written to its store.
    const isOld = (partition: number, at: Checkpoint) => !this.#tasks.has(partition) && isStale(at, nowMs)
    const fresh = [...all].filter(([partition, at]) => !isOld(partition, at))
    return new Map(fresh.map(([partition, at]) => [partition, recordsOf(at)]))
  }

  /** A member that leaves takes nothing more. */
  #assigned(held: readonly TopicPartition[], generation: number, standbys: readonly Standby[]): void {
    const wanted = new Set(held.map((at) => at.partition))
    this.#loseAllBut(wanted, generation)
    this.#options.committer.reassigned()
    if (this.#leaving) return
    this.#joined = true
    const kept = new Set(standbys.map((standby) => standby.partition))
    for (const partition of this.#tasks.keys())
      if (this.#owners.get(partition)?.member() === undefined) this.#drop(partition)
    for (const partition of this.#standbys.partitions())
      if (!kept.has(partition)) this.#dropStandby(partition)
    for (const partition of wanted) if (!this.#tasks.has(partition)) this.#open(partition)
    this.#wanted = standbys
    for (const standby of standbys) this.#keep(standby)
  }

  /**
   * In a generation of which this member has heard nothing another may have had its partitions, and
   * have committed.
   */
  #loseAllBut(wanted: ReadonlySet<number>, generation: number): void {
    const isNext = generation === this.#generation + 1
    this.#generation = generation
    for (const [partition, owner] of this.#owners) if (!isNext || !wanted.has(partition)) owner.lose()
  }

  #received(at: TopicPartition, records: readonly LogRecord[], next: number): void {
    this.#tasks.get(at.partition)?.offer(at.topic, records, next)
  }

  #open(partition: number): void {
    const task = this.#newTask(partition)
    this.#tasks.set(partition, task)
    const before = this.#closing.get(partition) ?? Promise.resolve()
    void before.then(() => {
      if (this.#tasks.get(partition) === task) task.start()
    })
  }

  #newTask(partition: number): Task {
    const owner = new Ownership(() => this.#consumer?.member())
    this.#owners.set(partition, owner)
    return new Task({
      ...this.#options,
      partition,
      owner,
      time: this.#time,
      rows: this.#rows,
      reader: (this.#reader ??= this.#options.log.reader()),
      partitions: this.#partitions,
      flow: (topic, flow) => this.#consumer?.[flow]([{ topic, partition }]),
      seek: (topic, offset) => {
        this.#consumer?.seek({ topic, partition }, offset)
        this.#consumer?.resume([{ topic, partition }])
      },
    })
  }

  #drop(partition: number): void {
    const task = this.#tasks.get(partition)
    if (task === undefined) return
    this.#tasks.delete(partition)
    this.#release(partition, task.close(), () => task.checkpoint)
  }

  /** At once when it is kept already; else when its store is free, and still wanted then. */
  #keep(standby: Standby): void {
    const { partition } = standby
    if (this.#standbys.has(partition)) return this.#standbys.keep(standby)
    const before = this.#closing.get(partition) ?? Promise.resolve()
    void before.then(() => {
      if (this.#wanted.includes(standby) && !this.#leaving) this.#standbys.keep(standby)
    })
  }

  #dropStandby(partition: number): void {
    const left = this.#standbys.checkpoints().get(partition)
    this.#release(partition, this.#standbys.drop(partition), () => left)
  }

  #release(partition: number, closing: Promise<void>, left: () => Checkpoint | undefined): void {
    const closed = closing.catch((error: unknown) => this.#options.onFailed(error))
    const before = this.#closing.get(partition) ?? Promise.resolve()
    const remember = (): void => {
      const checkpoint = left()
      if (checkpoint !== undefined) this.#left.set(partition, checkpoint)
    }
    remember()
    this.#closing.set(partition, before.then(() => closed).then(remember))
  }
}

const recordsOf = ({ changelogs }: Checkpoint): number =>
  Object.values(changelogs).reduce((sum, next) => sum + next, 0)
