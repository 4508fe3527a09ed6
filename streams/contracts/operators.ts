import { z } from 'zod'
import { count, envelope, topic, uuid } from './topic.ts'

const state = z.enum(['BOUND', 'UNBOUND', 'FAILBACK'])

/** [SC12]. `version` stays beside schemaVersion for its older consumers. */
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

/**
 * Highest offset that NATS has acknowledged, by group and partition: below it a command is never
 * published again.
 */
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
