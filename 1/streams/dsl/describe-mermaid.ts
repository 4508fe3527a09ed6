import type { ProcessorDescription, TopologyDescription } from './describe.ts'

/**
 * All topologies as one Mermaid flowchart: topics, the processors between them in a box per
 * topology, their stores and what they ask. Changelogs and dead letters are left to the text:
 * drawn, they would hide the flow.
 */
export function asMermaid(descriptions: readonly TopologyDescription[]): string {
  const topics = new Set(
    descriptions.flatMap(({ inputs, outputs }) => [...inputs, ...outputs].map(({ topic }) => topic)),
  )
  const lookups = new Set(
    descriptions.flatMap(({ processors }) => processors.flatMap(({ questions }) => questions.lookups)),
  )
  return [
    'flowchart LR',
    ...[...topics].map((topic) => `  ${topicId(topic)}[/"${topic}"/]`),
    ...[...lookups].map((lookup) => `  ${lookupId(lookup)}{{"${lookup}?"}}`),
    ...descriptions.flatMap(box),
    ...descriptions.flatMap(({ name, processors }) => processors.flatMap((one) => arrows(name, one))),
    '',
  ].join('\n')
}

const box = ({ name, processors }: TopologyDescription): string[] => [
  `  subgraph ${identifier('topology', name)} ["topology ${name}"]`,
  ...processors.flatMap((processor) => nodes(name, processor)),
  '  end',
]

const nodes = (topology: string, { name, store, timers }: ProcessorDescription): string[] => {
  const label = timers.length === 0 ? name : `${name}<br/>timers: ${timers.join(', ')}`
  return [
    `    ${processorId(topology, name)}["${label}"]`,
    ...(store === undefined ? [] : [`    ${storeId(topology, store.name)}[("${store.name}")]`]),
  ]
}

function arrows(topology: string, { name, reads, emits, store, questions }: ProcessorDescription): string[] {
  const self = processorId(topology, name)
  return [
    ...reads.map((topic) => `  ${topicId(topic)} --> ${self}`),
    ...emits.map((topic) => `  ${self} --> ${topicId(topic)}`),
    ...(store === undefined ? [] : [`  ${self} <--> ${storeId(topology, store.name)}`]),
    ...questions.lookups.map((lookup) => `  ${self} -.-> ${lookupId(lookup)}`),
  ]
}

const identifier = (kind: string, ...names: readonly string[]): string =>
  [kind, ...names].join('_').replaceAll(/[^a-zA-Z0-9_]/g, '_')

const topicId = (topic: string): string => identifier('topic', topic)
const lookupId = (lookup: string): string => identifier('lookup', lookup)
const processorId = (topology: string, name: string): string => identifier('processor', topology, name)
const storeId = (topology: string, name: string): string => identifier('store', topology, name)
