import type { z } from 'zod'
import type { Answer, Question } from '../contracts/question.ts'
import type { Topics, ValueOf } from '../contracts/topic.ts'

/**
 * How a processor is written. It is one object. What it reads, emits, asks and keeps stands at the
 * top. Its handlers are synchronous functions of (subject, scope, answers). For a record the
 * subject is its value, for a timer the key's state. A handler's effects are recorded and committed
 * together with its input's offset, or not at all. A throw is a programmer error and stops the
 * task.
 */

/** Field values of a note: bounded labels and ids, never personal data. */
export type NoteFields = Readonly<Record<string, string | number | undefined>>

/** All that a handler can see and do. */
export interface Scope<State, Out extends Topics, Timer extends string, Noted extends string = string> {
  readonly key: string
  /**
   * Milliseconds: the record's timestamp, or the instant that the timer was due. Never the wall
   * clock.
   */
  readonly now: number
  /**
   * `topic:partition:offset` of the record, `timer:name:due` of a timer: the same cause has the
   * same position on every read.
   */
  readonly position: string
  /** True below the task's mark, and for all that such a record causes later [P3]. */
  readonly replayed: boolean
  readonly state: State | undefined
  header(name: string): string | undefined
  put(state: State): void
  /** Drops the key's state and every timer armed for it. */
  forget(): void
  emit<K extends keyof Out & string>(to: K, value: ValueOf<Out[K]>): void
  /**
   * One pending deadline per key and timer; arming again moves it. The key must have state when the
   * handler ends.
   */
  arm(timer: Timer, atMs: number): void
  disarm(timer: Timer): void
  /**
   * Something worth counting or logging; reaches the hooks only when the effects have been
   * committed.
   */
  note(event: Noted, fields: NoteFields): void
}

export type Questions = Readonly<Record<string, Question<unknown>>>
export type Answers<Q> = { readonly [K in keyof Q]: Q[K] extends Question<infer A> ? Answer<A> : never }

/**
 * `answers` is null when `asks` did not ask, of the row as the handler finds it.
 */
type Handler<Subject, State, Out extends Topics, Timer extends string, Asked, Noted extends string, K> = (
  subject: Subject,
  scope: Scope<State, Out, Timer, Noted>,
  answers: K extends keyof Asked ? Answers<Asked[K]> | null : never,
) => void

interface StateOf<State> {
  readonly store: string
  readonly schema: z.ZodType<State>
  /**
   * The trace of the record that made a row stays with it, about 70 bytes: what its timers emit
   * belongs to it, and what a record emits that has no trace of its own.
   */
  readonly keepsTrace?: true
}

type Subject<In extends Topics, State, K> = K extends keyof In ? ValueOf<In[K]> : State

export interface Processor<
  In extends Topics,
  Out extends Topics,
  State,
  Timer extends string,
  Asked,
  Noted extends string,
> {
  readonly name: string
  readonly reads: In
  readonly emits: Out
  /**
   * What its handlers may note, by name: the table that says how each is counted and logged.
   * Absent: any name.
   */
  readonly notes?: Readonly<Record<Noted, unknown>>
  /**
   * One row per key, in the changelog `<topology>-<store>-changelog`. The schema also guards what
   * is restored.
   */
  readonly state?: StateOf<State>
  /**
   * The lookups that `asks` may use. Declared, because what a function will ask cannot be read off
   * it; another one throws.
   */
  readonly lookups?: readonly string[]
  /**
   * What to ask before the handler runs, from its subject and the key's row at that time; null:
   * nothing.
   */
  readonly asks?: {
    readonly [K in keyof Asked]: (subject: Subject<In, State, K>, state: State | undefined) => Asked[K] | null
  }
  readonly on: { readonly [K in keyof In]: Handler<ValueOf<In[K]>, State, Out, Timer, Asked, Noted, K> }
  readonly due?: { readonly [K in Timer]: Handler<State, State, Out, Timer, Asked, Noted, K> }
}

type ErasedScope = Scope<unknown, Topics, string>
type ErasedHandler = (
  subject: unknown,
  scope: ErasedScope,
  answers: Record<string, Answer<unknown>> | null,
) => void
type ErasedAsk = (subject: unknown, state: unknown) => Questions | null

export interface Handling {
  readonly handle: ErasedHandler
  readonly ask: ErasedAsk | undefined
}

/**
 * A processor without its type parameters: the runtime moves values between handlers without
 * looking into them.
 */
export interface ErasedProcessor {
  readonly name: string
  readonly reads: Topics
  readonly emits: Topics
  readonly state: StateOf<unknown> | undefined
  readonly lookups: readonly string[]
  /** By topic name. */
  readonly on: ReadonlyMap<string, Handling>
  /** By timer name. */
  readonly due: ReadonlyMap<string, Handling>
}

/**
 * Makes the compiler check the literal, then forgets its type parameters. The casts are sound
 * because the runtime hands a handler only what its own declaration names: the value of the topic
 * it reads, decoded by that topic's schema, and the row of its own store.
 */
export function defineProcessor<
  In extends Topics,
  Out extends Topics,
  State = never,
  Timer extends string = never,
  // oxlint-disable-next-line typescript/no-generated-empty-object-type -- no names: `keyof Asked` is never
  Asked extends Readonly<Record<string, Questions>> = Record<never, never>,
  Noted extends string = string,
>(processor: Processor<In, Out, State, Timer, Asked, Noted>): ErasedProcessor {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const asks = (processor.asks ?? {}) as Readonly<Record<string, ErasedAsk | undefined>>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const on = processor.on as unknown as Readonly<Record<string, ErasedHandler>>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const due = (processor.due ?? {}) as unknown as Readonly<Record<string, ErasedHandler>>
  const handlings = (handlers: Readonly<Record<string, ErasedHandler>>, nameOf: (key: string) => string) =>
    new Map(Object.entries(handlers).map(([key, handle]) => [nameOf(key), { handle, ask: asks[key] }]))
  return {
    name: processor.name,
    reads: processor.reads,
    emits: processor.emits,
    state: processor.state,
    lookups: processor.lookups ?? [],
    on: handlings(on, (key) => processor.reads[key]?.name ?? key),
    due: handlings(due, (timer) => timer),
  }
}
