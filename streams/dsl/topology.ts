import type { z } from 'zod'
import type { Answer } from '../contracts/question.ts'
import type { Topic, Topics } from '../contracts/topic.ts'
import type { NoteFields, Processor, Questions, Scope } from './processor.ts'

/**
 * Processors that share co-partitioned inputs and one transaction. Partition p of all inputs, of all changelogs and of the
 * marks is task p.
 */
export interface Topology {
  readonly name: string
  readonly processors: readonly ErasedProcessor[]
  /** Every topic that any processor reads. */
  readonly inputs: readonly Topic<unknown>[]
  readonly outputs: readonly Topic<unknown>[]
  /** Store names; each has a changelog of its own. */
  readonly stores: readonly string[]
}

type ErasedScope = Scope<unknown, Topics, string>
type ErasedHandler = (
  subject: unknown,
  scope: ErasedScope,
  answers: Record<string, Answer<unknown>> | null,
) => void
type ErasedAsk = (subject: unknown, state: unknown) => Questions | null

/** A processor without its type parameters: the runtime moves values between handlers without looking into them. */
export interface ErasedProcessor {
  readonly name: string
  readonly reads: Topics
  readonly emits: Topics
  readonly state: { readonly store: string; readonly schema: z.ZodType } | undefined
  readonly lookups: readonly string[]
  /** By topic name. */
  readonly on: ReadonlyMap<string, Handling>
  /** By timer name. */
  readonly due: ReadonlyMap<string, Handling>
}

export interface Handling {
  readonly handle: ErasedHandler
  readonly ask: ErasedAsk | undefined
}

/** Marks of processed source positions are a store of every topology (spec data.md §8). */
export const MARKS_STORE = 'marks'

/** Checks what the compiler cannot see: unique names, a store with one owner, timers only beside state. */
export function defineTopology(name: string, processors: readonly ErasedProcessor[]): Topology {
  unique(
    processors.map((processor) => processor.name),
    `topology ${name} has two processors named`,
  )
  const stores = processors.flatMap((processor) => processor.state?.store ?? [])
  unique([...stores, MARKS_STORE], `topology ${name} has two owners of store`)
  for (const processor of processors) {
    if (processor.due.size > 0 && processor.state === undefined) {
      throw new Error(
        `processor ${processor.name} has timers but no state: a timer is stored in the row of its key`,
      )
    }
  }
  return {
    name,
    processors,
    inputs: distinct(processors.flatMap((processor) => Object.values(processor.reads))),
    outputs: distinct(processors.flatMap((processor) => Object.values(processor.emits))),
    stores: [...stores, MARKS_STORE],
  }
}

/**
 * Forgets the type parameters of a processor. The casts are sound because the runtime hands a handler only what its own
 * declaration names: the value of the topic it reads, decoded by that topic's schema, and the row of its own store.
 */
export function erase<In extends Topics, Out extends Topics, State, Timer extends string, Asked>(
  processor: Processor<In, Out, State, Timer, Asked>,
): ErasedProcessor {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const asks = (processor.asks ?? {}) as Readonly<Record<string, ErasedAsk | undefined>>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const on = processor.on as unknown as Readonly<Record<string, ErasedHandler>>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const due = (processor.due ?? {}) as unknown as Readonly<Record<string, ErasedHandler>>
  const handlings = (handlers: Readonly<Record<string, ErasedHandler>>, nameOf: (key: string) => string) =>
    new Map(Object.entries(handlers).map(([key, handle]) => [nameOf(key), { handle, ask: asks[key] }]))
  const topicName = (key: string): string => processor.reads[key]?.name ?? key
  return {
    name: processor.name,
    reads: processor.reads,
    emits: processor.emits,
    state: processor.state,
    lookups: processor.lookups ?? [],
    on: handlings(on, topicName),
    due: handlings(due, (timer) => timer),
  }
}

/** Spec events.md §1, last row of the log-only table. */
export const changelogTopicOf = (topology: string, store: string): string => `${topology}-${store}-changelog`

export const changelogsOf = (topology: Topology): readonly string[] =>
  topology.stores.map((store) => changelogTopicOf(topology.name, store))

export interface Note {
  readonly event: string
  readonly fields: NoteFields
  readonly at: number
  readonly replayed: boolean
}

function unique(names: readonly string[], complaint: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw new Error(`${complaint} ${name}`)
    seen.add(name)
  }
}

const distinct = (topics: readonly Topic<unknown>[]): readonly Topic<unknown>[] => [
  ...new Map(topics.map((topic) => [topic.name, topic])).values(),
]
