import type { Answer } from '../contracts/question.ts'
import type { Topic, Topics } from '../contracts/topic.ts'
import type { NoteFields, Questions, Scope, ErasedProcessor } from './processor.ts'
import type { Note } from './topology.ts'
import type { Trace } from './trace.ts'

/**
 * Runs one handler and records its effects. The runtime and the test driver share this file, so
 * that a processor means the same on a broker, in a test and in the simulator.
 */

/**
 * What a store keeps for a key: the state, its timers (name → due, ms) and whether a replay wrote
 * it.
 */
export interface Row {
  readonly state: unknown
  readonly timers: Readonly<Record<string, number>>
  readonly replayed: boolean
  /**
   * Of the record that made the row, where its processor keeps it: what a timer causes belongs to
   * it.
   */
  readonly trace?: Trace | undefined
}

/** Rows of one task, uncommitted ones included. */
export interface Rows {
  read(store: string, key: string): Row | undefined
  write(store: string, key: string, row: Row | undefined): void
}

export interface Emission {
  readonly topic: Topic<unknown>
  readonly value: unknown
  readonly now: number
  readonly replayed: boolean
  readonly trace: Trace | undefined
}

export interface Effects {
  emit(emission: Emission): void
  note(note: Note): void
}

/** A record or a due timer, as far as a handler may know it. */
export interface Cause {
  readonly key: string
  readonly now: number
  readonly position: string
  readonly replayed: boolean
  readonly trace: Trace | undefined
  header(name: string): string | undefined
}

export type GivenAnswers = Readonly<Record<string, Answer<unknown>>> | null

export function handleRecord(
  processor: ErasedProcessor,
  topicName: string,
  value: unknown,
  cause: Cause,
  answers: GivenAnswers,
  rows: Rows,
  effects: Effects,
): void {
  const handling = processor.on.get(topicName)
  if (handling === undefined) throw new Error(`processor ${processor.name} has no handler for ${topicName}`)
  const scope = new RecordedScope(processor, cause, rows, effects)
  handling.handle(value, scope, answers)
  scope.settle()
}

/** False when the timer is no longer armed for that instant: it was moved or dropped meanwhile. */
export function handleTimer(
  processor: ErasedProcessor,
  timer: string,
  cause: Cause,
  answers: GivenAnswers,
  rows: Rows,
  effects: Effects,
): boolean {
  const handling = processor.due.get(timer)
  if (handling === undefined) throw new Error(`processor ${processor.name} has no timer ${timer}`)
  const scope = new RecordedScope(processor, cause, rows, effects)
  if (!scope.takeTimer(timer, cause.now)) return false
  handling.handle(scope.state, scope, answers)
  scope.settle()
  return true
}

/** What to ask before the handler of this record runs. */
export const questionsOfRecord = (
  processor: ErasedProcessor,
  topicName: string,
  value: unknown,
  { key, trace }: Pick<Cause, 'key' | 'trace'>,
  rows: Rows,
): Questions | null => {
  const ask = processor.on.get(topicName)?.ask
  if (ask === undefined) return null
  const row = rowOf(processor, key, rows)
  return declared(processor, ask(value, row?.state), trace ?? row?.trace)
}

export function questionsOfTimer(
  processor: ErasedProcessor,
  timer: string,
  key: string,
  rows: Rows,
): Questions | null {
  const row = rowOf(processor, key, rows)
  const ask = processor.due.get(timer)?.ask
  return row === undefined || ask === undefined
    ? null
    : declared(processor, ask(row.state, row.state), row.trace)
}

function declared(
  processor: ErasedProcessor,
  questions: Questions | null,
  trace: Trace | undefined,
): Questions | null {
  if (questions === null) return null
  for (const { lookup } of Object.values(questions)) {
    if (!processor.lookups.includes(lookup))
      throw new Error(`processor ${processor.name} asks ${lookup} without naming it in its lookups`)
  }
  if (trace === undefined) return questions
  return Object.fromEntries(
    Object.entries(questions).map(([name, question]) => [name, { ...question, trace }]),
  )
}

const rowOf = (processor: ErasedProcessor, key: string, rows: Rows): Row | undefined =>
  processor.state === undefined ? undefined : rows.read(processor.state.store, key)

const NO_TIMERS: Readonly<Record<string, number>> = {}

class RecordedScope implements Scope<unknown, Topics, string> {
  readonly #processor: ErasedProcessor
  readonly #cause: Cause
  readonly #rows: Rows
  readonly #effects: Effects
  #state: unknown
  #timers: Readonly<Record<string, number>> = NO_TIMERS
  #replayed: boolean
  readonly #trace: Trace | undefined
  readonly #rowTrace: Trace | undefined
  #changed = false

  constructor(processor: ErasedProcessor, cause: Cause, rows: Rows, effects: Effects) {
    this.#processor = processor
    this.#cause = cause
    this.#rows = rows
    this.#effects = effects
    this.#replayed = cause.replayed
    const row = processor.state === undefined ? undefined : rows.read(processor.state.store, cause.key)
    if (row !== undefined) {
      this.#state = row.state
      this.#timers = row.timers
    }
    this.#rowTrace = row?.trace
    this.#trace = cause.trace ?? this.#rowTrace
  }

  get key(): string {
    return this.#cause.key
  }
  get now(): number {
    return this.#cause.now
  }
  get position(): string {
    return this.#cause.position
  }
  get replayed(): boolean {
    return this.#replayed
  }
  get state(): unknown {
    return this.#state
  }

  header(name: string): string | undefined {
    return this.#cause.header(name)
  }

  put(state: unknown): void {
    if (state === undefined || state === null)
      throw new Error(`${this.#processor.name} put an empty state: use forget`)
    this.#state = state
    this.#changed = true
  }

  forget(): void {
    this.#state = undefined
    this.#timers = NO_TIMERS
    this.#changed = true
  }

  emit(to: string, value: unknown): void {
    const topic = this.#processor.emits[to]
    if (topic === undefined)
      throw new Error(`${this.#processor.name} emits to ${to}, which it does not declare`)
    this.#effects.emit({ topic, value, now: this.#cause.now, replayed: this.#replayed, trace: this.#trace })
  }

  arm(timer: string, atMs: number): void {
    if (!this.#processor.due.has(timer)) throw new Error(`${this.#processor.name} has no timer ${timer}`)
    if (!Number.isSafeInteger(atMs)) throw new Error(`${this.#processor.name} arms ${timer} at ${atMs}`)
    if (this.#timers[timer] === atMs) return
    this.#timers = { ...this.#timers, [timer]: atMs }
    this.#changed = true
  }

  disarm(timer: string): void {
    if (this.#timers[timer] === undefined) return
    const { [timer]: _, ...rest } = this.#timers
    this.#timers = rest
    this.#changed = true
  }

  note(event: string, fields: NoteFields): void {
    this.#effects.note({ event, fields, at: this.#cause.now, replayed: this.#replayed, trace: this.#trace })
  }

  /** A timer fires once: it is disarmed before its handler runs, which may arm it again. */
  takeTimer(timer: string, dueMs: number): boolean {
    if (this.#state === undefined || this.#timers[timer] !== dueMs) return false
    const store = this.#processor.state?.store
    const row = store === undefined ? undefined : this.#rows.read(store, this.#cause.key)
    this.#replayed = row?.replayed ?? false
    this.disarm(timer)
    return true
  }

  settle(): void {
    if (!this.#changed) return
    const store = this.#processor.state?.store
    if (store === undefined) throw new Error(`${this.#processor.name} keeps state but declares no store`)
    if (this.#state === undefined) {
      if (this.#timers !== NO_TIMERS)
        throw new Error(`${this.#processor.name} armed a timer for a key without state`)
      this.#rows.write(store, this.#cause.key, undefined)
      return
    }
    const row = { state: this.#state, timers: this.#timers, replayed: this.#replayed, trace: this.#kept() }
    this.#rows.write(store, this.#cause.key, row)
  }

  /** The first one: the message's own, and not that of a receipt for it. */
  #kept(): Trace | undefined {
    return this.#processor.state?.keepsTrace === true ? (this.#rowTrace ?? this.#trace) : undefined
  }
}
