import { submitResults } from '../../streams/contracts/outbound.ts'
import { segmentFacts } from '../../streams/contracts/receipts.ts'
import { defineProcessor } from '../../streams/dsl/processor.ts'
import { defineTopology, erase, type Topology } from '../../streams/dsl/topology.ts'
import { sent, type SentOptions } from '../receipts/sent.ts'
import { Aggregate } from './aggregate.ts'
import { emits, giveUp, type SegmentsScope } from './closing.ts'
import { takeReceipt } from './take-receipt.ts'
import { takeExpected, takeResult } from './take-result.ts'

const aggregation = defineProcessor({
  name: 'segments',
  reads: { result: submitResults, fact: segmentFacts },
  emits,
  state: { store: 'aggregates', schema: Aggregate },
  on: {
    result: takeResult,
    fact: (fact, scope: SegmentsScope) =>
      fact.kind === 'EXPECTED' ? takeExpected(fact, scope) : takeReceipt(fact, scope),
  },
  due: {
    grace: giveUp,
    expire: (_, scope: SegmentsScope) => scope.forget(),
  },
})

export const SEGMENTS = 'segments'

/**
 * The topology `segments` (spec pipeline.md §3.5). `sent` rides along: it reads what the aggregation reads, by the same key, so
 * one task and one transaction serve both, and every submit result is fetched and decoded once.
 */
export const segments = (options: SentOptions): Topology =>
  defineTopology(SEGMENTS, [erase(sent(options)), erase(aggregation)])
