import { z } from 'zod'
import { count, envelope, instant, topic, uuid } from './topic.ts'

const state = z.enum(['BOUND', 'UNBOUND', 'FAILBACK'])

/** Spec events.md §5.12. `version` stays beside schemaVersion for its older consumers. */
export const OperatorHealth = z.object({
  ...envelope,
  version: z.string(),
  operatorId: uuid,
  operatorName: z.string(),
  status: state,
  previousStatus: state.nullable(),
  reason: z.string().exactOptional(),
})
export type OperatorHealth = z.infer<typeof OperatorHealth>
export const operatorHealth = topic('operator.health', OperatorHealth, (health) => health.operatorId, {
  operatorHeader: true,
})

/** A record that could not be read, or that NATS refuses: original bytes, position and reason (spec events.md §5.7). */
export const TopicDeadLetter = z.object({
  ...envelope,
  sourceTopic: z.string(),
  sourcePartition: z.number().int().min(0),
  sourceOffset: z.string(),
  reason: z.enum(['not_json', 'schema', 'version', 'refused']),
  errors: z.array(z.object({ path: z.string(), message: z.string() })),
  payloadBase64: z.string(),
  failedAt: instant,
})
export type TopicDeadLetter = z.infer<typeof TopicDeadLetter>

/** Highest offset that NATS has acknowledged, by group and partition: below it a command is never published again. */
export const BridgeMark = z.object({
  ...envelope,
  group: z.string(),
  topic: z.string(),
  partition: z.number().int().min(0),
  acknowledged: count,
})
export type BridgeMark = z.infer<typeof BridgeMark>
export const bridgeMarks = topic(
  'bridge.marks',
  BridgeMark,
  (mark) => `${mark.group}:${mark.topic}:${mark.partition}`,
)
