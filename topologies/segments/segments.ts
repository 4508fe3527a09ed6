import { submitResults } from '../../streams/contracts/outbound.ts'
import { segmentFacts } from '../../streams/contracts/receipts.ts'
import { defineProcessor } from '../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../streams/dsl/topology.ts'
import { correlationMsOf, sent, type SentOptions } from '../receipts/sent.ts'
import { NOTES } from '../notes.ts'
import { Aggregate } from './aggregate.ts'
import { emits, giveUp, type AggregationRules, type SegmentsScope } from './closing.ts'
import type { ScopeOf } from './silence.ts'
import { takeReceipt } from './take-receipt.ts'
import { takeExpected, takeRefused, takeResult } from './take-result.ts'

const aggregation = (rules: AggregationRules) =>
  defineProcessor({
    name: 'segments',
    reads: { result: submitResults, fact: segmentFacts },
    emits,
    notes: NOTES,
    state: { store: 'aggregates', schema: Aggregate, keepsTrace: true },
    on: {
      result: (result, scope: SegmentsScope) => takeResult(result, scope, rules),
      fact: (fact, scope: SegmentsScope) => {
        if (fact.kind === 'EXPECTED') return takeExpected(fact, scope, rules)
        if (fact.kind === 'REFUSED') return takeRefused(fact, scope, rules)
        return takeReceipt(fact, scope, rules)
      },
    },
    due: {
      grace: (aggregate, scope: SegmentsScope) => giveUp(aggregate, scope, rules),
      expire: (_, scope: SegmentsScope) => scope.forget(),
    },
  })

export const SEGMENTS = 'segments'

export interface SegmentsOptions extends SentOptions {
  /** Default: each operator reports on all segments. */
  readonly scopeOf?: ScopeOf
}

/**
 * The topology `segments` ([AG1] to [AG4], [D11] to [D29]). `sent` runs here too: it reads what the
 * aggregation reads, by the same key. So one task and one transaction serve both, and every submit
 * result is fetched and decoded once.
 */
export const segments = (options: SegmentsOptions): Topology =>
  defineTopology(SEGMENTS, [
    sent(options),
    aggregation({ correlationMs: correlationMsOf(options), scopeOf: options.scopeOf ?? (() => 'all') }),
  ])
