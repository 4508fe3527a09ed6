import { asMermaid } from './describe-mermaid.ts'
import type { KeyedTopic, ProcessorDescription, TopologyDescription } from './describe.ts'

/**
 * The page docs/topologies.md: the picture, then each topology with all that belongs to it.
 * `command` made it.
 */
export const asMarkdown = (descriptions: readonly TopologyDescription[], command: string): string =>
  [
    '# Topologies',
    '',
    `Generated from the definitions by \`${command}\`; do not edit. A test compares.`,
    '',
    '```mermaid',
    asMermaid(descriptions).trimEnd(),
    '```',
    ...descriptions.flatMap(section),
    '',
  ].join('\n')

const section = (description: TopologyDescription): string[] => [
  '',
  `## ${description.name}`,
  '',
  '| Processor | Reads | Emits | Keeps | Timers | Asks |',
  '|---|---|---|---|---|---|',
  ...description.processors.map(row),
  '',
  'Inputs, partitioned alike:',
  '',
  ...description.inputs.map(keyed),
  '',
  'Outputs:',
  '',
  ...description.outputs.map(keyed),
  '',
  `Changelogs: ${codes(description.changelogs)}. Unreadable records go to ${codes(description.deadLetters)}.`,
]

const row = ({ name, reads, emits, store, timers, questions }: ProcessorDescription): string => {
  const asks = questions.lookups.map((lookup) => `\`${lookup}\` before ${questions.before.join(', ')}`)
  const cells = [name, codes(reads), codes(emits), codes(store === undefined ? [] : [store.name])]
  return `| ${[...cells, codes(timers), asks.join('; ')].join(' | ')} |`
}

const keyed = ({ topic, key }: KeyedTopic): string => `- \`${topic}\`, key \`${key}\``

const codes = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ')
