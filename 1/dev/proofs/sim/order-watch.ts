import { TOPICS } from '../../../streams/contracts/catalogue.ts'
import { decode } from '../../../streams/contracts/decode.ts'
import type { ErasedProcessor, Handling } from '../../../streams/dsl/processor.ts'
import type { Topology } from '../../../streams/dsl/topology.ts'
import type { MemoryLog } from '../../../streams/log/memory.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import {
  isReplayed,
  partitionKey,
  type LogConsumer,
  type LogRecord,
  type TopicPartition,
} from '../../../streams/log/port.ts'
import type { History } from './history.ts'

/** A record, and the step in which readers could first have it. */
interface Shown {
  readonly record: LogRecord
  readonly step: number
}

/** How far a task has handled its inputs, by topic: the offset of the next record. */
type Heads = Map<string, number>

export interface Watched {
  /** The clock of the process was read. */
  read(nowMs: number): void
  /** The same consumer; a task begins where it seeks. */
  reading(topology: string, consumer: LogConsumer): LogConsumer
  /** The same topology, whose handlers are seen. */
  observed(topology: Topology): Topology
}

export interface OrderWatchOptions {
  readonly log: MemoryLog
  readonly history: History
  readonly topologies: readonly Topology[]
  readonly partitions: number
}

/**
 * The order in which each handler is called, while it is called (ADR 0033): of the heads of a
 * task's inputs the oldest first, ties by name, among what lay on the log when the record came
 * there; and no timer before what all inputs held at its instant.
 */
export class OrderWatch {
  readonly #options: OrderWatchOptions
  readonly #shown = new Map<string, Shown[]>()
  /** What was lost is not there to be handled, and nobody else can tell. */
  readonly #unwatched = new Set<string>()

  constructor(options: OrderWatchOptions) {
    this.#options = options
  }

  start(): void {
    const { log, topologies, partitions, history } = this.#options
    for (const topic of new Set(topologies.filter(isMerged).flatMap(({ inputs }) => inputs))) {
      for (let partition = 0; partition < partitions; partition += 1) {
        const at = { topic: topic.name, partition }
        const shown: Shown[] = []
        this.#shown.set(partitionKey(at), shown)
        log.follow(at, (records) => {
          for (const record of records) shown.push({ record, step: history.steps })
        })
      }
    }
  }

  forget(topic: string): void {
    for (const { name, inputs } of this.#options.topologies)
      if (inputs.some((input) => input.name === topic)) this.#unwatched.add(name)
  }

  /** Of one process. */
  watched(process: string): Watched {
    const tasks = new Map<string, Heads>()
    const headsOf = (topology: string, partition: number): Heads => {
      const id = `${topology}.${partition}`
      const heads = tasks.get(id) ?? new Map<string, number>()
      tasks.set(id, heads)
      return heads
    }
    const clock: Reached[] = []
    return {
      read: (ms) => {
        if (ms > (clock.at(-1)?.ms ?? 0)) clock.push({ ms, step: this.#options.history.steps })
      },
      reading: (topology, consumer) => {
        const seek = consumer.seek.bind(consumer)
        consumer.seek = (at, offset) => {
          headsOf(topology, at.partition).set(at.topic, offset)
          seek(at, offset)
        }
        return consumer
      },
      observed: (topology) => {
        if (!isMerged(topology)) return topology
        const { name, inputs } = topology
        const task = { process, name, topics: inputs.map((input) => input.name), headsOf, clock }
        return { ...topology, processors: topology.processors.map((one) => this.#around(one, task)) }
      },
    }
  }

  #around(processor: ErasedProcessor, task: Task): ErasedProcessor {
    const on = [...processor.on].map(([topic, handling]): [string, Handling] => [
      topic,
      before(handling, ({ position }) => this.#handles(task, position)),
    ])
    const due = [...processor.due].map(([timer, handling]): [string, Handling] => [
      timer,
      before(handling, ({ key, now }) => this.#fires(task, { timer, key, dueMs: now })),
    ])
    return { ...processor, on: new Map(on), due: new Map(due) }
  }

  #handles(task: Task, position: string): void {
    const [topic = '', partition, offset] = position.split(':')
    const heads = task.headsOf(task.name, Number(partition))
    const at = { topic, partition: Number(partition) }
    const one = this.#shownAt(at).find(({ record }) => record.offset === Number(offset))
    heads.set(topic, Number(offset) + 1)
    if (one === undefined) return
    for (const other of task.topics) {
      if (other === topic) continue
      const isDue = ({ record, step }: Shown): boolean => step <= one.step && isBefore(record, one.record)
      this.#demand(task, { ...at, topic: other }, isDue, `handled ${position}`)
    }
  }

  #fires(task: Task, { timer, key, dueMs }: { timer: string; key: string; dueMs: number }): void {
    const partition = partitionOf(key, this.#options.partitions)
    const reached = task.clock.find(({ ms }) => ms >= dueMs)?.step ?? 0
    const isDue = ({ record, step }: Shown): boolean =>
      step < reached && record.timestamp <= dueMs && !isReplayed(record.headers)
    for (const topic of task.topics)
      this.#demand(task, { topic, partition }, isDue, `fired ${timer} of ${dueMs}`)
  }

  /** No record that can be read, from the head on, should have been handled before. */
  #demand(task: Task, at: TopicPartition, isDue: (one: Shown) => boolean, did: string): void {
    if (this.#unwatched.has(task.name)) return
    const head = task.headsOf(task.name, at.partition).get(at.topic)
    if (head === undefined) return
    const { history } = this.#options
    for (const one of this.#shownAt(at)) {
      if (one.record.offset < head) continue
      if (!isDue(one)) return
      if (!isReadable(one.record)) continue
      const place = `${partitionKey(at)}:${one.record.offset}`
      return history.violation(`order: ${task.process} ${task.name} ${did} before ${place}`)
    }
  }

  #shownAt(at: TopicPartition): readonly Shown[] {
    return this.#shown.get(partitionKey(at)) ?? []
  }
}

/** When a clock first showed so much. */
interface Reached {
  readonly ms: number
  readonly step: number
}

interface Task {
  readonly process: string
  readonly name: string
  readonly topics: readonly string[]
  readonly headsOf: (topology: string, partition: number) => Heads
  readonly clock: readonly Reached[]
}

type AnyScope = Parameters<Handling['handle']>[1]

const before = (handling: Handling, look: (scope: AnyScope) => void): Handling => ({
  ask: handling.ask,
  handle: (subject, scope, answers) => {
    look(scope)
    handling.handle(subject, scope, answers)
  },
})

const isMerged = ({ inputs }: Topology): boolean => inputs.length > 1

const isBefore = (a: LogRecord, b: LogRecord): boolean =>
  a.timestamp < b.timestamp || (a.timestamp === b.timestamp && a.topic < b.topic)

function isReadable({ topic: name, value }: LogRecord): boolean {
  const topic = TOPICS.find((one) => one.name === name)
  return topic !== undefined && decode(topic, value).ok
}
