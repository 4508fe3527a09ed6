import { encode } from '../../../streams/contracts/decode.ts'
import { topicDeadLetter, type Undeliverable } from '../../../streams/contracts/dead-letter.ts'
import type { LogClient, LogWriter } from '../../../streams/log/port.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'

export const DEAD_LETTER_TOPIC = 'bridge.deadletter'
const KEY_BYTES_MAX = 4_096

/** Something that can never be mirrored. */
export interface Refused extends Undeliverable {
  readonly key: Buffer | string | null
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
      const event = topicDeadLetter(refused, timestamp)
      const key = refused.key !== null && Buffer.byteLength(refused.key) <= KEY_BYTES_MAX ? refused.key : null
      const partition = partitionOf(key ?? event.eventId, await partitions)
      const record = { topic: DEAD_LETTER_TOPIC, partition, key, timestamp }
      await writer.write([{ ...record, value: encode(event) }])
    },
  }
}
