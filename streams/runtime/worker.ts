import type { Topology } from '../dsl/topology.ts'
import { changelogsOf } from '../dsl/topology.ts'
import { deadLetterTopicOf } from '../contracts/topic.ts'
import {
  LogError,
  type LogClient,
  type LogConsumer,
  type LogRecord,
  type TopicPartition,
} from '../log/port.ts'
import type { Clock } from './clock.ts'
import type { Hooks } from './hooks.ts'
import type { Prefetcher } from './prefetch.ts'
import type { StoreFactory } from './store.ts'
import type { TaskLimits } from './limits.ts'
import type { Standing } from './standing.ts'
import type { Doing } from './task-progress.ts'
import { groupOf, Task, type TaskState } from './task.ts'

/**
 * One member of a topology's group: it opens a task for every partition that the group assigns to it and closes the task
 * when the partition goes. A task that stays keeps running through a rebalance. Correctness never rests on being told in
 * time: an owner that was not told is fenced by its successor.
 */
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
  /** The consumer is gone for good. */
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

export class Worker {
  readonly #options: WorkerOptions
  readonly #tasks = new Map<number, Task>()
  /** Closings under way, by partition: the next owner of the same store waits for them. */
  readonly #closing = new Map<number, Promise<void>>()
  #partitions: ReadonlyMap<string, number> = new Map()
  #consumer: LogConsumer | undefined
  #joined = false
  #leaving = false

  constructor(options: WorkerOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.topology.name
  }

  async start(): Promise<void> {
    const { log, topology, app, onFailed } = this.#options
    this.#partitions = await log.admin.partitions(topicsOf(topology))
    assertTopics(topology, this.#partitions)
    this.#consumer = log.consumer({
      group: groupOf(app, topology.name),
      topics: topology.inputs.map((topic) => topic.name),
      onAssigned: (held) => this.#assigned(held),
      onRecords: (at, records, next) => this.#received(at, records, next),
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

  /** Tasks commit what they have in hand before the group is left, so that the next owner repeats nothing. */
  async close(): Promise<void> {
    this.#leaving = true
    for (const partition of this.#tasks.keys()) this.#drop(partition)
    await Promise.all(this.#closing.values())
    await this.#consumer?.stop()
  }

  /** Whoever leaves takes nothing more: its tasks would go on after it and fence those of the next owner. */
  #assigned(held: readonly TopicPartition[]): void {
    if (this.#leaving) return
    this.#joined = true
    const wanted = new Set(held.map((at) => at.partition))
    for (const partition of this.#tasks.keys()) if (!wanted.has(partition)) this.#drop(partition)
    for (const partition of wanted) if (!this.#tasks.has(partition)) this.#open(partition)
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
    const { app, topology, log, stores, prefetcher, clock, random, hooks, limits } = this.#options
    return new Task({
      app,
      topology,
      partition,
      log,
      stores,
      prefetcher,
      clock,
      random,
      hooks,
      limits,
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
    const closed = task.close().catch((error: unknown) => this.#options.onFailed(error))
    const before = this.#closing.get(partition) ?? Promise.resolve()
    this.#closing.set(
      partition,
      before.then(() => closed),
    )
  }
}

/** Every topic that a worker of this topology touches. */
const topicsOf = (topology: Topology): readonly string[] => [
  ...topology.inputs.flatMap((topic) => [topic.name, deadLetterTopicOf(topic.name)]),
  ...topology.outputs.map((topic) => topic.name),
  ...changelogsOf(topology),
]

/** Undeclared topics and uneven partition counts fail at the start, with a sentence that says what to do. */
function assertTopics(topology: Topology, partitions: ReadonlyMap<string, number>): void {
  const missing = topicsOf(topology).filter((topic) => !partitions.has(topic))
  if (missing.length > 0) {
    throw new LogError(
      'fatal',
      `topology ${topology.name} needs ${missing.join(', ')}: run the provisioner first`,
    )
  }
  const together = [...topology.inputs.map((topic) => topic.name), ...changelogsOf(topology)]
  const counts = together.map((topic) => `${topic} (${partitions.get(topic)})`)
  if (new Set(together.map((topic) => partitions.get(topic))).size > 1) {
    throw new LogError(
      'fatal',
      `topology ${topology.name} joins topics with different partition counts: ${counts.join(', ')}; recreate them with one count`,
    )
  }
}
