import { topicDeadLetter, type TopicDeadLetter } from '../../contracts/dead-letter.ts'
import { decode, type Unreadable } from '../../contracts/decode.ts'
import {
  handleRecord,
  handleTimer,
  questionsOfRecord,
  questionsOfTimer,
  type Cause,
  type Emission,
  type GivenAnswers,
} from '../../dsl/execute.ts'
import type { Questions, ErasedProcessor } from '../../dsl/processor.ts'
import type { Note, Topology } from '../../dsl/topology.ts'
import { headerText, isReplayed, type LogRecord } from '../../log/port.ts'
import type { StoredTimer } from '../store/store.ts'
import type { Table } from '../store/table.ts'

/**
 * One round of a task without any input or output: records and due timers in, effects out. The
 * caller reads, asks and commits around it.
 */

/** One call of a handler to come, with what it asks. */
export interface Step {
  readonly processor: ErasedProcessor
  readonly cause: Cause
  readonly record: { readonly topic: string; readonly value: unknown } | undefined
  readonly timer: StoredTimer | undefined
  readonly trace: string | undefined
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

export interface Emitted extends Emission {
  readonly trace: string | undefined
}

export interface Effects {
  readonly emissions: Emitted[]
  readonly notes: Note[]
  /** Index entries whose timer was moved or dropped since. */
  readonly stale: StoredTimer[]
}

export interface Plan {
  readonly steps: readonly Step[]
  readonly poison: readonly Poison[]
}

/**
 * Decodes the records and lines up the handler calls in the order of time: records as they come,
 * and before each of them the timers that were due earlier. A receipt of the 25th hour must not
 * beat a grace of 24 hours because both were read late.
 */
export function planRound(
  topology: Topology,
  records: readonly LogRecord[],
  timers: readonly StoredTimer[],
  marks: ReadonlyMap<string, number>,
): Plan {
  const plan: { readonly steps: Step[]; readonly poison: Poison[] } = { steps: [], poison: [] }
  const inputs = new Map(topology.inputs.map((topic) => [topic.name, topic]))
  let fired = 0
  for (const record of records) {
    for (
      let timer = timers[fired];
      timer !== undefined && timer.dueMs < record.timestamp;
      timer = timers[fired]
    ) {
      plan.steps.push(timerStep(topology, timer))
      fired += 1
    }
    const topic = inputs.get(record.topic)
    if (topic === undefined) throw new Error(`${record.topic} is no input of ${topology.name}`)
    const read = decode(topic, record.value)
    if (read.ok) addRecordSteps(plan.steps, topology, record, topic.key(read.value), read.value, marks)
    else plan.poison.push(poisonOf(record, read, isBelow(record, marks)))
  }
  for (const timer of timers.slice(fired)) plan.steps.push(timerStep(topology, timer))
  return plan
}

function addRecordSteps(
  steps: Step[],
  topology: Topology,
  record: LogRecord,
  key: string,
  value: unknown,
  marks: ReadonlyMap<string, number>,
): void {
  const cause = new RecordCause(record, key, isBelow(record, marks))
  const trace = cause.header('traceparent')
  for (const processor of topology.processors) {
    if (!processor.on.has(record.topic)) continue
    steps.push({ processor, cause, record: { topic: record.topic, value }, timer: undefined, trace })
  }
}

/** What each step asks, before any of them has run. */
export const questionsOf = (steps: readonly Step[], table: Table): readonly (Questions | null)[] =>
  steps.map(({ processor, cause, record, timer }) => {
    if (record !== undefined)
      return questionsOfRecord(processor, record.topic, record.value, cause.key, table)
    return timer === undefined ? null : questionsOfTimer(processor, timer.timer, cause.key, table)
  })

/** Runs the handlers, one after the other. A throw is a programmer error and passes through. */
export function runSteps(steps: readonly Step[], answers: readonly GivenAnswers[], table: Table): Effects {
  const effects: Effects = { emissions: [], notes: [], stale: [] }
  let trace: string | undefined
  const sink = {
    emit: ({ topic, value, now, replayed }: Emission) =>
      effects.emissions.push({ topic, value, now, replayed, trace }),
    note: (note: Note) => effects.notes.push(note),
  }
  let index = -1
  for (const step of steps) {
    index += 1
    const given = answers[index] ?? null
    trace = step.trace
    if (step.record !== undefined) {
      handleRecord(step.processor, step.record.topic, step.record.value, step.cause, given, table, sink)
    } else if (step.timer !== undefined) {
      const fired = handleTimer(step.processor, step.timer.timer, step.cause, given, table, sink)
      if (!fired) effects.stale.push(step.timer)
    }
  }
  return effects
}

/**
 * A class, because a closure and a position for every record cost more than the few that ask for
 * them.
 */
class RecordCause implements Cause {
  readonly key: string
  readonly replayed: boolean
  readonly #record: LogRecord

  constructor(record: LogRecord, key: string, replayed: boolean) {
    this.key = key
    this.replayed = replayed
    this.#record = record
  }

  get now(): number {
    return this.#record.timestamp
  }

  get position(): string {
    const { topic, partition, offset } = this.#record
    return `${topic}:${partition}:${offset}`
  }

  header(name: string): string | undefined {
    return headerText(this.#record.headers, name)
  }
}

/** Read before by this task, or caused by what another one read again. */
const isBelow = (record: LogRecord, marks: ReadonlyMap<string, number>): boolean =>
  record.offset < (marks.get(record.topic) ?? 0) || isReplayed(record.headers)

function timerStep(topology: Topology, timer: StoredTimer): Step {
  const processor = topology.processors.find((candidate) => candidate.state?.store === timer.store)
  if (processor === undefined) throw new Error(`timer ${timer.timer} belongs to no store of ${topology.name}`)
  const cause: Cause = {
    key: timer.key,
    now: timer.dueMs,
    position: `timer:${timer.timer}:${timer.dueMs}`,
    replayed: false,
    header: () => undefined,
  }
  return { processor, cause, record: undefined, timer, trace: undefined }
}

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

export const countByTopic = (records: readonly LogRecord[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const record of records) counts.set(record.topic, (counts.get(record.topic) ?? 0) + 1)
  return counts
}
