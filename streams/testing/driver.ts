import { decode, encode } from '../contracts/decode.ts'
import type { Answer, Question } from '../contracts/question.ts'
import type { Topic } from '../contracts/topic.ts'
import {
  handleRecord,
  handleTimer,
  questionsOfRecord,
  questionsOfTimer,
  type Cause,
  type Emission,
  type GivenAnswers,
  type Row,
} from '../dsl/execute.ts'
import type { Questions, ErasedProcessor } from '../dsl/processor.ts'
import { traceFrom, type Trace } from '../dsl/trace.ts'
import type { Note, Topology } from '../dsl/topology.ts'

/**
 * The synchronous driver: topologies in memory, no broker, no event loop. `pipe` runs a record and
 * all that follows from it, what the topologies emit to each other included. Time moves only by
 * `advance`. All values go through their codec, so an output that its own schema refuses fails the
 * test that reads it.
 */
export interface DriverOptions {
  /** Where the clock starts, ms. */
  readonly now: number
  readonly answer?: (question: Question<unknown>, now: number) => Answer<unknown>
}

export interface PipeOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Record timestamp; default: the driver's clock. */
  readonly at?: number
  /**
   * The offset to read it at; below the highest one so far it is a re-read (marked as replayed).
   */
  readonly offset?: number
}

interface Input {
  readonly topic: Topic<unknown>
  readonly value: unknown
  readonly at: number
  readonly offset: number
  readonly headers: Readonly<Record<string, string>>
}

export interface Output {
  readonly value: unknown
  readonly replayed: boolean
  readonly at: number
  readonly trace: Trace | undefined
}

const ROUNDS_MAX = 10_000

export class Driver {
  now: number
  readonly #processors: readonly ErasedProcessor[]
  readonly #answer: (question: Question<unknown>, now: number) => Answer<unknown>
  readonly #rows = new Map<string, Row>()
  readonly #outputs = new Map<string, Output[]>()
  readonly #inputs = new Set<string>()
  readonly #next = new Map<string, number>()
  readonly #marks = new Map<string, number>()
  readonly #pending: Input[] = []
  readonly notes: Note[] = []

  constructor(topologies: readonly Topology[], options: DriverOptions) {
    this.#processors = topologies.flatMap((topology) => topology.processors)
    for (const topology of topologies) for (const topic of topology.inputs) this.#inputs.add(topic.name)
    this.now = options.now
    this.#answer =
      options.answer ?? ((_, now) => ({ kind: 'unavailable', reason: 'no lookup in this test', at: now }))
  }

  /**
   * Reads one record and all that follows from it at once. Returns its offset, to read it again.
   */
  pipe<V>(topic: Topic<V>, value: V, options: PipeOptions = {}): number {
    const offset = options.offset ?? this.#take(topic.name)
    this.#pending.push({ topic, value, at: options.at ?? this.now, offset, headers: options.headers ?? {} })
    this.#settle()
    return offset
  }

  /** The topic was deleted and made again: its offsets begin anew, and nothing of it was read. */
  recreated(topic: Topic<unknown>): void {
    this.#next.delete(topic.name)
    this.#marks.delete(topic.name)
  }

  /** Moves the clock, firing every timer on its way in time order. */
  advance(ms: number): void {
    const until = this.now + ms
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const due = this.#earliest(until)
      if (due === undefined) {
        this.now = until
        return
      }
      this.now = Math.max(this.now, due.at)
      this.#fire(due)
      this.#settle()
    }
    throw new Error(`more than ${ROUNDS_MAX} timers fired: does one arm itself in the past?`)
  }

  /** What was emitted to the topic since the last read. */
  read<V>(topic: Topic<V>): V[] {
    return this.readOutputs(topic).map((output) => {
      const read = decode(topic, Buffer.from(encode(output.value)))
      if (!read.ok) throw new Error(`${topic.name}: emitted value is invalid: ${JSON.stringify(read.errors)}`)
      return read.value
    })
  }

  readOutputs(topic: Topic<unknown>): Output[] {
    const outputs = this.#outputs.get(topic.name) ?? []
    this.#outputs.delete(topic.name)
    return outputs
  }

  row(store: string, key: string): Row | undefined {
    return this.#rows.get(`${store}/${key}`)
  }

  get rowCount(): number {
    return this.#rows.size
  }

  #take(topicName: string): number {
    const offset = this.#next.get(topicName) ?? 0
    this.#next.set(topicName, offset + 1)
    return offset
  }

  #settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const input = this.#pending.shift()
      if (input === undefined) return
      this.#handle(input)
    }
    throw new Error(`more than ${ROUNDS_MAX} records followed from one: is there a loop?`)
  }

  #handle(input: Input): void {
    const read = decode(input.topic, Buffer.from(encode(input.value)))
    if (!read.ok)
      throw new Error(`${input.topic.name}: piped value is invalid: ${JSON.stringify(read.errors)}`)
    const mark = this.#marks.get(input.topic.name) ?? -1
    this.#marks.set(input.topic.name, Math.max(mark, input.offset))
    const cause: Cause = {
      key: input.topic.key(read.value),
      now: input.at,
      position: `${input.topic.name}:0:${input.offset}`,
      replayed: input.offset <= mark || input.headers['replayed'] === '1',
      trace: traceFrom((name) => headerOf(input.headers, name)),
      header: (name) => headerOf(input.headers, name),
    }
    for (const processor of this.#processors) {
      if (!processor.on.has(input.topic.name)) continue
      const asked = questionsOfRecord(processor, input.topic.name, read.value, cause, this.#store)
      handleRecord(
        processor,
        input.topic.name,
        read.value,
        cause,
        this.#ask(asked),
        this.#store,
        this.#effects,
      )
    }
  }

  #fire(due: { processor: ErasedProcessor; timer: string; key: string; at: number }): void {
    const cause: Cause = {
      key: due.key,
      now: due.at,
      position: `timer:${due.timer}:${due.at}`,
      replayed: false,
      trace: undefined,
      header: () => undefined,
    }
    const asked = questionsOfTimer(due.processor, due.timer, due.key, this.#store)
    handleTimer(due.processor, due.timer, cause, this.#ask(asked), this.#store, this.#effects)
  }

  #earliest(until: number) {
    let earliest: { processor: ErasedProcessor; timer: string; key: string; at: number } | undefined
    for (const processor of this.#processors) {
      const prefix = `${processor.state?.store}/`
      for (const [id, row] of this.#rows) {
        if (!id.startsWith(prefix)) continue
        for (const [timer, at] of Object.entries(row.timers)) {
          if (at > until || (earliest !== undefined && at >= earliest.at)) continue
          earliest = { processor, timer, key: id.slice(prefix.length), at }
        }
      }
    }
    return earliest
  }

  #ask(questions: Questions | null): GivenAnswers {
    if (questions === null) return null
    return Object.fromEntries(
      Object.entries(questions).map(([name, question]) => [name, this.#answer(question, this.now)]),
    )
  }

  readonly #store = {
    read: (store: string, key: string) => this.#rows.get(`${store}/${key}`),
    write: (store: string, key: string, row: Row | undefined) => {
      if (row === undefined) this.#rows.delete(`${store}/${key}`)
      else this.#rows.set(`${store}/${key}`, structuredClone(row))
    },
  }

  readonly #effects = {
    emit: (emission: Emission) => {
      const { topic, value, now, replayed, trace } = emission
      const outputs = this.#outputs.get(topic.name) ?? []
      outputs.push({ value, replayed, at: now, trace })
      this.#outputs.set(topic.name, outputs)
      if (!this.#inputs.has(topic.name)) return
      const headers = { ...trace, ...(replayed && { replayed: '1' }) }
      this.#pending.push({ topic, value, at: now, offset: this.#take(topic.name), headers })
    },
    note: (note: Note) => {
      this.notes.push(note)
    },
  }
}

/** Header names are compared without case [EV57]. */
function headerOf(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  const wanted = name.toLowerCase()
  return Object.entries(headers).find(([given]) => given.toLowerCase() === wanted)?.[1]
}
