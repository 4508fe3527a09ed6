import { asMarkdown } from '../streams/dsl/describe-markdown.ts'
import { describeTopology, type TopologyDescription } from '../streams/dsl/describe.ts'
import type { Topology } from '../streams/dsl/topology.ts'
import { allTopologies } from './all.ts'

/**
 * What the generated pages of docs/ are made of. The settings of a deployment change what handlers
 * do, not how they are wired.
 */
export const DESCRIBED: readonly Topology[] = allTopologies({ rulesOf: () => ['exact'] })

export const describedTopologies = (): readonly TopologyDescription[] => DESCRIBED.map(describeTopology)

const TOPOLOGIES_COMMAND = 'npm run -s sms -- topology describe --markdown > docs/topologies.md'
export const TOPICS_COMMAND = 'npm run -s sms -- topics --markdown > docs/topics.md'

export const topologiesPage = (): string => asMarkdown(describedTopologies(), TOPOLOGIES_COMMAND)
