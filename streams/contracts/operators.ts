import { z } from 'zod'
import { OUTCOMES } from '../domain/statuses.ts'
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
 * What one record of `dlr.records` says of its operator [SC15]: which kind of receipt it was, which
 * end of a segment it told, and how long after the submit.
 */
export const OperatorSample = z.object({
  ...envelope,
  operatorId: uuid,
  /** Absent: no receipt, a segment that was refused. */
  receipt: z.enum(['taken', 'late', 'quarantined', 'orphan']).exactOptional(),
  /** Present when a segment ended by it. */
  ended: z.enum(OUTCOMES).exactOptional(),
  /** From the operator's answer to the submit to the receipt of a delivery. */
  latencyMs: count.exactOptional(),
})
export type OperatorSample = z.infer<typeof OperatorSample>
export const operatorSamples = topic('operator.samples', OperatorSample, (sample) => sample.operatorId)

const percent = z.number().min(0).max(100).nullable()

/**
 * How an operator has done in the minutes before `occurredAt` [SC15]. A figure is null when there
 * is nothing to take it from; the last one before silence has none.
 */
export const OperatorQuality = z.object({
  ...envelope,
  operatorId: uuid,
  windowMs: count,
  receipts: count,
  orphanPercent: percent,
  latePercent: percent,
  quarantinedPercent: percent,
  /** Segments that ended. */
  segments: count,
  deliveredPercent: percent,
  /** The upper end of a range; null as well when it is above the last one. */
  latencyP50Ms: count.nullable(),
  latencyP95Ms: count.nullable(),
})
export type OperatorQuality = z.infer<typeof OperatorQuality>
export const operatorQuality = topic('operator.quality', OperatorQuality, (quality) => quality.operatorId)

/**
 * How far a reader has got, where losing count of it would send an SMS twice.
 *
 * Of a partition of commands: the highest offset that NATS has acknowledged, below which a command
 * is never published again; -1 before the first. Of a durable of NATS: `group` is its name, `topic`
 * its stream, `acknowledged` the stream sequence up to which everything is acknowledged.
 */
export const BridgeMark = z.object({
  ...envelope,
  group: z.string(),
  topic: z.string(),
  partition: z.number().int().min(0),
  acknowledged: z.number().int().min(-1),
  /**
   * What the number counts in: the id of the topic, or when the stream was made. Made again, the
   * numbers start over and the mark says nothing. Absent when the broker tells no ids.
   */
  topicId: z.string().exactOptional(),
  /**
   * Of a partition, by operator: the stream sequence of the last command that the mark covers. What
   * lies beyond was published without a mark. Absent: nobody knows.
   */
  sequences: z.record(z.string(), count).exactOptional(),
})
export type BridgeMark = z.infer<typeof BridgeMark>
export const bridgeMarks = topic(
  'bridge.marks',
  BridgeMark,
  (mark) => `${mark.group}:${mark.topic}:${mark.partition}`,
)
