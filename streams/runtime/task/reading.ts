import { topicDeadLetter, type TopicDeadLetter } from '../../contracts/dead-letter.ts'
import { decode, type Unreadable } from '../../contracts/decode.ts'
import type { Cause } from '../../dsl/execute.ts'
import type { ErasedProcessor } from '../../dsl/processor.ts'
import { traceFrom, type Trace } from '../../dsl/trace.ts'
import type { Topology } from '../../dsl/topology.ts'
import { headerText, isReplayed, type LogRecord } from '../../log/port.ts'
import type { StoredTimer } from '../store/store.ts'

/** What handlers are given: a record that can be read, or a timer. */

export interface ReadRecord {
  readonly record: LogRecord
  readonly value: unknown
  readonly cause: Cause
  /** Those that read its topic, in the order in which they handle it. */
  readonly processors: readonly ErasedProcessor[]
  /** One of them may ask something. */
  readonly asks: boolean
  readonly poison?: never
}

/**
 * A record that cannot be read: it goes to its dead-letter topic with its bytes, and the partition
 * goes on.
 */
export interface Poison {
  readonly record: LogRecord
  readonly letter: TopicDeadLetter
  /** The record lies below the mark: its dead letter was written before. */
  readonly replayed: boolean
}

interface Input {
  readonly topic: Topology['inputs'][number]
  readonly processors: readonly ErasedProcessor[]
  readonly asks: boolean
}

/** Decodes the records of one topology's inputs. */
export class Reading {
  readonly #name: string
  readonly #inputs: ReadonlyMap<string, Input>
  readonly #marks: ReadonlyMap<string, number>

  constructor(topology: Topology, marks: ReadonlyMap<string, number>) {
    this.#name = topology.name
    this.#marks = marks
    this.#inputs = new Map(
      topology.inputs.map((topic) => {
        const processors = topology.processors.filter((processor) => processor.on.has(topic.name))
        const asks = processors.some((processor) => processor.on.get(topic.name)?.ask !== undefined)
        return [topic.name, { topic, processors, asks }]
      }),
    )
  }

  read(record: LogRecord): ReadRecord | { readonly poison: Poison; readonly record: LogRecord } {
    const input = this.#inputs.get(record.topic)
    if (input === undefined) throw new Error(`${record.topic} is no input of ${this.#name}`)
    const { topic, processors, asks } = input
    const read = decode(topic, record.value)
    if (!read.ok) return { record, poison: poisonOf(record, read, this.#isBelow(record)) }
    const cause = new RecordCause(record, topic.key(read.value), this.#isBelow(record))
    return { record, value: read.value, cause, processors, asks }
  }

  /** Read before by this task, or caused by what another one read again. */
  #isBelow(record: LogRecord): boolean {
    return record.offset < (this.#marks.get(record.topic) ?? 0) || isReplayed(record.headers)
  }
}

/**
 * A class, because a closure and a position for every record cost more than the few that ask for
 * them.
 */
class RecordCause implements Cause {
  readonly key: string
  readonly replayed: boolean
  readonly #record: LogRecord
  #trace: Trace | undefined

  constructor(record: LogRecord, key: string, replayed: boolean) {
    this.key = key
    this.replayed = replayed
    this.#record = record
  }

  get now(): number {
    return this.#record.timestamp
  }

  get trace(): Trace | undefined {
    return (this.#trace ??= traceFrom((name) => this.header(name)))
  }

  get position(): string {
    const { topic, partition, offset } = this.#record
    return `${topic}:${partition}:${offset}`
  }

  header(name: string): string | undefined {
    return headerText(this.#record.headers, name)
  }
}

export const causeOfTimer = ({ timer, key, dueMs }: StoredTimer): Cause => ({
  key,
  now: dueMs,
  position: `timer:${timer}:${dueMs}`,
  replayed: false,
  trace: undefined,
  header: () => undefined,
})

/** The dead letter of a record: where it lies, its bytes and the reason [SC21]. */
function poisonOf(record: LogRecord, { reason, errors }: Unreadable, replayed: boolean): Poison {
  const letter = topicDeadLetter(
    {
      sourceTopic: record.topic,
      sourcePartition: record.partition,
      sourceOffset: String(record.offset),
      reason,
      errors,
      payload: record.value,
    },
    record.timestamp,
  )
  return { record, letter, replayed }
}
