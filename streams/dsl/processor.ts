import type { z } from 'zod'
import type { Answer, Question } from '../contracts/question.ts'
import type { Topics, ValueOf } from '../contracts/topic.ts'

/**
 * How a processor is written. It is one object: what it reads, emits, asks and keeps stands at the top, and its handlers are
 * synchronous functions of (subject, scope, answers). For a record the subject is its value, for a timer the key's state.
 * A handler's effects are recorded and committed together with its input's offset, or not at all; a throw is a programmer
 * error and stops the task.
 */

/** Field values of a note: bounded labels and ids, never personal data. */
export type NoteFields = Readonly<Record<string, string | number | undefined>>

/** All that a handler can see and do. */
export interface Scope<State, Out extends Topics, Timer extends string> {
  readonly key: string
  /** Milliseconds: the record's timestamp, or the instant that the timer was due. Never the wall clock. */
  readonly now: number
  /** `topic:partition:offset` of the record, `timer:name:due` of a timer: the same cause has the same position on every read. */
  readonly position: string
  /** True below the task's mark, and for all that such a record causes later (spec operations.md P3). */
  readonly replayed: boolean
  readonly state: State | undefined
  header(name: string): string | undefined
  put(state: State): void
  /** Drops the key's state and every timer armed for it. */
  forget(): void
  emit<K extends keyof Out & string>(to: K, value: ValueOf<Out[K]>): void
  /** One pending deadline per key and timer; arming again moves it. The key must have state when the handler ends. */
  arm(timer: Timer, atMs: number): void
  disarm(timer: Timer): void
  /** Something worth counting or logging; reaches the hooks only when the effects have been committed. */
  note(event: string, fields: NoteFields): void
}

export type Questions = Readonly<Record<string, Question<unknown>>>
export type Answers<Q> = { readonly [K in keyof Q]: Q[K] extends Question<infer A> ? Answer<A> : never }

/** `answers` is null when `asks` did not ask: then the state changed since, and the handler must cope. */
type Handler<Subject, State, Out extends Topics, Timer extends string, Asked, K> = (
  subject: Subject,
  scope: Scope<State, Out, Timer>,
  answers: K extends keyof Asked ? Answers<Asked[K]> | null : never,
) => void

type Subject<In extends Topics, State, K> = K extends keyof In ? ValueOf<In[K]> : State

export interface Processor<In extends Topics, Out extends Topics, State, Timer extends string, Asked> {
  readonly name: string
  readonly reads: In
  readonly emits: Out
  /** One row per key, in the changelog `<topology>-<store>-changelog`. The schema also guards what is restored. */
  readonly state?: { readonly store: string; readonly schema: z.ZodType<State> }
  /** The lookups that `asks` may use. Declared, because what a function will ask cannot be read off it; another one throws. */
  readonly lookups?: readonly string[]
  /** What to ask before the handler runs, from its subject and the key's row at that time; null: nothing. */
  readonly asks?: {
    readonly [K in keyof Asked]: (subject: Subject<In, State, K>, state: State | undefined) => Asked[K] | null
  }
  readonly on: { readonly [K in keyof In]: Handler<ValueOf<In[K]>, State, Out, Timer, Asked, K> }
  readonly due?: { readonly [K in Timer]: Handler<State, State, Out, Timer, Asked, K> }
}

/** The identity function: it only makes the compiler check the literal and infer its types. */
export const defineProcessor = <
  In extends Topics,
  Out extends Topics,
  State = never,
  Timer extends string = never,
  // oxlint-disable-next-line typescript/no-generated-empty-object-type -- no names at all: `keyof Asked` must be never
  Asked extends Readonly<Record<string, Questions>> = Record<never, never>,
>(
  processor: Processor<In, Out, State, Timer, Asked>,
): Processor<In, Out, State, Timer, Asked> => processor
