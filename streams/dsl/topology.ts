import type { Topic } from '../contracts/topic.ts'
import type { ErasedProcessor, NoteFields } from './processor.ts'
import type { Trace } from './trace.ts'

/**
 * Processors that share co-partitioned inputs and one transaction. Partition p of all inputs, of
 * all changelogs and of the marks is task p.
 */
export interface Topology {
  readonly name: string
  readonly processors: readonly ErasedProcessor[]
  /** Every topic that any processor reads. */
  readonly inputs: readonly Topic<unknown>[]
  readonly outputs: readonly Topic<unknown>[]
  /** Store names; each has a changelog of its own. The marks come last. */
  readonly stores: readonly string[]
}

/** Marks of processed source positions are a store of every topology [DB97]. */
export const MARKS_STORE = 'marks'

/**
 * Checks what the compiler cannot see: unique names, a store with one owner, timers only beside
 * state.
 */
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

/** Its records wait for an answer from outside; timers alone may ask, too, but then seldom. */
export const asksFirst = ({ processors }: Topology): boolean =>
  processors.some(({ on }) => [...on.values()].some(({ ask }) => ask !== undefined))

/** The name that [EV29] gives it. */
export const changelogTopicOf = (topology: string, store: string): string => `${topology}-${store}-changelog`

export const changelogsOf = (topology: Topology): readonly string[] =>
  topology.stores.map((store) => changelogTopicOf(topology.name, store))

export interface Note {
  readonly event: string
  readonly fields: NoteFields
  readonly at: number
  readonly replayed: boolean
  readonly trace: Trace | undefined
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
