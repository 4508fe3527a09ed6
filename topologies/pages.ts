import { asMarkdown } from '../streams/dsl/describe-markdown.ts'
import { describeTopology, type TopologyDescription } from '../streams/dsl/describe.ts'
import { allTopologies } from './all.ts'

/** The generated page of docs/: what `npm run sms` prints and what the test of staleness compares. */
export const topologiesPage = (): string =>
  asMarkdown(describedTopologies(), 'npm run -s sms -- topology describe --markdown > docs/topologies.md')

/** The settings of a deployment change what handlers do, not how they are wired. */
export const describedTopologies = (): readonly TopologyDescription[] =>
  allTopologies({ rulesOf: () => ['exact'] }).map(describeTopology)
