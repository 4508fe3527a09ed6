import {
  dispatchCommands,
  dispatchRefusals,
  outboundCancels,
  outboundDeadLetters,
  outboundRequests,
  outboundRetries,
  statusEvents,
  submitResults,
} from './outbound.ts'
import { bridgeMarks, operatorHealth, operatorQuality, operatorSamples } from './operators.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from './outcomes.ts'
import {
  dlrRecords,
  inboundReceipts,
  receiptLookups,
  segmentFacts,
  sentSegments,
  unmatchedReceipts,
} from './receipts.ts'
import { deadLetterTopicOf, type Topic } from './topic.ts'

/**
 * How a topic is kept. `partitions` absent means the platform's number (12 in production, fewer on
 * one machine).
 */
interface Keeping {
  readonly name: string
  readonly partitions?: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  readonly retentionMs?: number
}

export interface CataloguedTopic {
  readonly name: string
  readonly partitions: number
  readonly replicas: number
  readonly config: Readonly<Record<string, string>>
}

const DAY_MS = 86_400_000
const kept = (name: string, days: number): Keeping => ({
  name,
  cleanup: 'delete',
  retentionMs: days * DAY_MS,
})

/** Every topic that has a schema of its own. */
export const TOPICS: readonly Topic<unknown>[] = [
  outboundRequests,
  outboundCancels,
  outboundRetries,
  outboundDeadLetters,
  statusEvents,
  dispatchCommands,
  dispatchRefusals,
  submitResults,
  inboundReceipts,
  aggregatedOutcomes,
  unmatchedReceipts,
  billingEvents,
  webhookEvents,
  operatorHealth,
  receiptLookups,
  sentSegments,
  segmentFacts,
  dlrRecords,
  operatorSamples,
  operatorQuality,
  bridgeMarks,
]

/** How [EV3] to [EV28] keep their topics. */
const KEEPING: readonly Keeping[] = [
  kept('sms.outbound.request', 7),
  kept('sms.outbound.cancel', 7),
  kept('sms.outbound.retry', 7),
  kept('sms.outbound.deadletter', 30),
  kept('sms.events.status', 7),
  kept('smpp.operator', 7),
  kept('smpp.dispatch.refused', 7),
  kept('smpp.submit.result', 7),
  kept('sms.dlr.inbound', 7),
  kept('sms.dlr.aggregated.v1', 7),
  kept('sms.dlr.unmatched', 30),
  kept('billing.events', 30),
  kept('webhook.dispatch', 7),
  { name: 'operator.health', partitions: 3, cleanup: 'compact,delete', retentionMs: 7 * DAY_MS },
  kept('dlr.lookup', 3),
  { name: 'dlr.sent', cleanup: 'compact,delete', retentionMs: 4 * DAY_MS },
  kept('dlr.segment.facts', 7),
  kept('dlr.records', 30),
  kept('operator.samples', 1),
  { name: 'operator.quality', partitions: 3, cleanup: 'compact,delete', retentionMs: 7 * DAY_MS },
  { name: 'bridge.marks', partitions: 1, cleanup: 'compact' },
  { ...kept('bridge.deadletter', 30), partitions: 3 },
  // Of the sinks [DB77]. Topics that a topology reads have theirs already.
  kept(deadLetterTopicOf('sms.events.status'), 30),
  kept(deadLetterTopicOf('sms.outbound.deadletter'), 30),
  kept(deadLetterTopicOf('dlr.records'), 30),
]

export interface CatalogueOptions {
  readonly partitions: number
  readonly replicas: number
}

/** With this many copies one broker may be away, and what is acknowledged is on two disks still. */
const COPIES_FOR_TWO = 3

/**
 * What every topic is kept with. Without `min.insync.replicas` a record would be acknowledged that
 * is on one disk only, once the others are away [W1]. `producer` keeps a batch as its writer made
 * it: brokers neither unpack nor pack.
 */
const durable = (replicas: number): Readonly<Record<string, string>> => ({
  'min.insync.replicas': replicas >= COPIES_FOR_TWO ? '2' : '1',
  'compression.type': 'producer',
})

/**
 * All topics of events; the changelogs and dead-letter topics of a topology come from its
 * definition.
 */
export const catalogue = (options: CatalogueOptions): readonly CataloguedTopic[] =>
  KEEPING.map((keeping) => ({
    name: keeping.name,
    partitions: Math.min(keeping.partitions ?? options.partitions, options.partitions),
    replicas: options.replicas,
    config: {
      'cleanup.policy': keeping.cleanup,
      ...(keeping.retentionMs !== undefined && { 'retention.ms': String(keeping.retentionMs) }),
      ...durable(options.replicas),
    },
  }))

export const changelogSpec = (name: string, partitions: number, replicas: number): CataloguedTopic => ({
  name,
  partitions,
  replicas,
  // Tombstones outlive the longest absence of a local store that is still trusted
  // (streams/runtime/store/restore.ts).
  config: { 'cleanup.policy': 'compact', 'delete.retention.ms': String(DAY_MS), ...durable(replicas) },
})

export const deadLetterSpec = (name: string, partitions: number, replicas: number): CataloguedTopic => ({
  name,
  partitions,
  replicas,
  config: { 'cleanup.policy': 'delete', 'retention.ms': String(30 * DAY_MS), ...durable(replicas) },
})
