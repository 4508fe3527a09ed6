import { deadLetterTopicOf, type Topic } from '../contracts/topic.ts'
import { changelogsOf, changelogTopicOf, type Topology } from './topology.ts'
import type { ErasedProcessor } from './processor.ts'

/**
 * What a topology does, read off its definition: nothing here is written by hand, so it cannot be
 * out of date. `asText` is for a terminal; describe-mermaid.ts and describe-markdown.ts make the
 * pages of docs/ from the same description.
 */
export interface TopologyDescription {
  readonly name: string
  readonly inputs: readonly KeyedTopic[]
  readonly outputs: readonly KeyedTopic[]
  readonly changelogs: readonly string[]
  /** Where the unreadable records of the inputs go. */
  readonly deadLetters: readonly string[]
  readonly processors: readonly ProcessorDescription[]
}

export interface KeyedTopic {
  readonly topic: string
  /** The fields of the value that make the key, in their form: `{operatorId}:{canonicalId}`. */
  readonly key: string
}

export interface ProcessorDescription {
  readonly name: string
  readonly reads: readonly string[]
  readonly emits: readonly string[]
  readonly store: { readonly name: string; readonly changelog: string } | undefined
  readonly timers: readonly string[]
  readonly questions: {
    readonly lookups: readonly string[]
    /** What makes it ask: names of topics, and `timer x`. */
    readonly before: readonly string[]
  }
}

export const describeTopology = (topology: Topology): TopologyDescription => ({
  name: topology.name,
  inputs: topology.inputs.map(keyed),
  outputs: topology.outputs.map(keyed),
  changelogs: changelogsOf(topology),
  deadLetters: topology.inputs.map(({ name }) => deadLetterTopicOf(name)),
  processors: topology.processors.map((processor) => describeProcessor(topology.name, processor)),
})

function describeProcessor(topology: string, processor: ErasedProcessor): ProcessorDescription {
  const { name, state, reads, emits, lookups } = processor
  return {
    name,
    reads: Object.values(reads).map((topic) => topic.name),
    emits: Object.values(emits).map((topic) => topic.name),
    store: state && { name: state.store, changelog: changelogTopicOf(topology, state.store) },
    timers: [...processor.due.keys()],
    questions: {
      lookups,
      before: [...asking(processor.on), ...asking(processor.due).map((timer) => `timer ${timer}`)],
    },
  }
}

const asking = (handlings: ErasedProcessor['on']): readonly string[] =>
  [...handlings].filter(([, { ask }]) => ask !== undefined).map(([name]) => name)

const keyed = (topic: Topic<unknown>): KeyedTopic => ({ topic: topic.name, key: keyForm(topic) })

/**
 * The key is a function of the value. Given a value whose every field is its own name in braces, it
 * shows its form.
 */
function keyForm(topic: Topic<unknown>): string {
  const read = new Set<string>()
  // No text yet: a key that is one field is here that field's placeholder.
  const key: unknown = topic.key(placeholder('', read))
  const form = String(key)
  // A field that was looked at but does not stand in the key has chosen it.
  const deciding = [...read].filter((path) => !form.includes(`{${path}}`))
  return deciding.length === 0 ? form : `${form}, or another by ${deciding.join(', ')}`
}

const placeholder = (path: string, read: Set<string>): unknown =>
  new Proxy(
    {},
    {
      get: (_, name) => {
        if (typeof name === 'symbol') return name === Symbol.toPrimitive ? () => `{${path}}` : undefined
        read.delete(path)
        const inner = path === '' ? name : `${path}.${name}`
        read.add(inner)
        return placeholder(inner, read)
      },
    },
  )

/** For a terminal. */
export const asText = (description: TopologyDescription): string =>
  [
    `topology ${description.name}`,
    ...listed(
      '  reads together',
      description.inputs.map(({ topic, key }) => `${topic}  key ${key}`),
    ),
    ...description.processors.flatMap(processorLines),
    ...listed('  changelogs', description.changelogs),
    ...listed('  dead letters', description.deadLetters),
    '',
  ].join('\n')

const processorLines = ({ name, reads, emits, store, timers, questions }: ProcessorDescription): string[] => [
  `  processor ${name}`,
  ...listed('    reads', reads),
  ...listed('    emits', emits),
  ...listed('    keeps', store === undefined ? [] : [`${store.name}  in ${store.changelog}`]),
  ...listed('    timers', timers),
  ...listed(
    '    asks',
    questions.lookups.map((lookup) => `${lookup}  before ${questions.before.join(', ')}`),
  ),
]

const LABEL_WIDTH = 18

const listed = (label: string, values: readonly string[]): string[] =>
  values.map((value, index) => `${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${value}`)
