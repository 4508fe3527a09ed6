import { z } from 'zod'
import { topicDeadLetterId } from '../domain/event-id.ts'
import { count, envelope, instant, SCHEMA_VERSION } from './topic.ts'

/**
 * A record that could not be read, or that NATS refuses: original bytes, position and reason
 * [SC21].
 */
export const TopicDeadLetter = z.object({
  ...envelope,
  sourceTopic: z.string(),
  sourcePartition: z.number().int().min(0),
  sourceOffset: z.string(),
  reason: z.enum(['not_json', 'schema', 'version', 'refused']),
  errors: z.array(z.object({ path: z.string(), message: z.string() })),
  payloadBase64: z.string(),
  /** Only the first bytes of the record are here, of `payloadBytes`. */
  truncated: z.literal(true).exactOptional(),
  payloadBytes: count.exactOptional(),
  failedAt: instant,
})
export type TopicDeadLetter = z.infer<typeof TopicDeadLetter>

/**
 * What cannot be read or published, and where it lies. For a NATS message: its stream, 0 and its
 * sequence.
 */
export interface Undeliverable {
  readonly sourceTopic: string
  readonly sourcePartition: number
  readonly sourceOffset: string
  readonly reason: TopicDeadLetter['reason']
  /** Name fields and rules, never values. */
  readonly errors: TopicDeadLetter['errors']
  readonly payload: Buffer | null
}

/**
 * In base64 700 kB: with keys, headers and errors it fits the 1 MiB that a broker takes, whatever
 * it reports.
 */
export const PAYLOAD_BYTES_MAX = 512 * 1024
/** A path may hold keys of a map, which come from outside. */
const PATH_CHARS_MAX = 200

/**
 * Its id is a function of the position, so that a second report of the same record is recognised.
 */
export function topicDeadLetter(given: Undeliverable, failedAtMs: number): TopicDeadLetter {
  const { sourceTopic, sourcePartition, sourceOffset, reason, errors, payload } = given
  const at = new Date(failedAtMs).toISOString()
  const bytes = payload ?? Buffer.alloc(0)
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: topicDeadLetterId(sourceTopic, sourcePartition, sourceOffset),
    occurredAt: at,
    sourceTopic,
    sourcePartition,
    sourceOffset,
    reason,
    errors: errors.map(({ path, message }) => ({ path: path.slice(0, PATH_CHARS_MAX), message })),
    payloadBase64: bytes.subarray(0, PAYLOAD_BYTES_MAX).toString('base64'),
    ...(bytes.length > PAYLOAD_BYTES_MAX && { truncated: true as const, payloadBytes: bytes.length }),
    failedAt: at,
  }
}
