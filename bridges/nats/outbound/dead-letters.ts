import { encode } from '../../../streams/contracts/decode.ts'
import type { TopicDeadLetter } from '../../../streams/contracts/operators.ts'
import { SCHEMA_VERSION } from '../../../streams/contracts/topic.ts'
import { topicDeadLetterId } from '../../../streams/domain/event-id.ts'
import type { LogClient, LogWriter } from '../../../streams/log/port.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'

export const DEAD_LETTER_TOPIC = 'bridge.deadletter'
/** A payload in base64 must still fit into one record of the log; of a larger one only the position is kept. */
export const PAYLOAD_BYTES_MAX = 600_000

/** Something that can never be mirrored, and where it lies. For a NATS message: its stream, 0 and its sequence. */
export interface Refused {
  readonly sourceTopic: string
  readonly sourcePartition: number
  readonly sourceOffset: string
  readonly key: Buffer | string | null
  readonly payload: Buffer | null
  /** Names fields and rules, never values. */
  readonly reason: TopicDeadLetter['reason']
  readonly message: string
}

export interface DeadLetters {
  /** Resolves when the dead letter is durable; rejects like LogWriter.write. */
  write(refused: Refused): Promise<void>
}

export function deadLetters(log: LogClient, writer: LogWriter, now: () => number): DeadLetters {
  let partitions: Promise<number> | undefined
  const count = async (): Promise<number> => {
    const found = (await log.admin.partitions([DEAD_LETTER_TOPIC])).get(DEAD_LETTER_TOPIC)
    if (found === undefined) throw new Error(`topic ${DEAD_LETTER_TOPIC} does not exist`)
    return found
  }
  return {
    async write(refused) {
      partitions ??= count().catch((error: unknown) => {
        partitions = undefined
        throw error
      })
      const timestamp = now()
      const event = deadLetter(refused, timestamp)
      const partition = partitionOf(refused.key ?? event.eventId, await partitions)
      const record = { topic: DEAD_LETTER_TOPIC, partition, key: refused.key, timestamp }
      await writer.write([{ ...record, value: encode(event) }])
    },
  }
}

function deadLetter(refused: Refused, nowMs: number): TopicDeadLetter {
  const { sourceTopic, sourcePartition, sourceOffset, reason, message, payload } = refused
  const at = new Date(nowMs).toISOString()
  const tooLarge = payload !== null && payload.length > PAYLOAD_BYTES_MAX
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: topicDeadLetterId(sourceTopic, sourcePartition, sourceOffset),
    occurredAt: at,
    sourceTopic,
    sourcePartition,
    sourceOffset,
    reason,
    errors: [{ path: '', message }],
    payloadBase64: tooLarge ? '' : (payload?.toString('base64') ?? ''),
    failedAt: at,
  }
}
