import { jetstreamManager } from '@nats-io/jetstream'
import type { ReadingProgress } from '../../streams/contracts/lookups.ts'
import type { InboundMirror } from '../../streams/contracts/subjects.ts'
import { connectionOf, type NatsLink } from '../../streams/nats/link.ts'

/**
 * How far the stream of a mirror goes, and how far it is on the log, in sequences of the stream.
 * The messages that a killed bridge had taken come again after their ack_wait, behind newer ones.
 * Needs the durable's CONSUMER.INFO and nothing else. Rejects while NATS does not answer.
 */
export function mirrorProgress(
  link: NatsLink,
  { stream, durable }: InboundMirror,
): () => Promise<ReadingProgress> {
  return async () => {
    const manager = await jetstreamManager(connectionOf(link), { checkAPI: false })
    const info = await manager.consumers.info(stream, durable)
    const end = info.delivered.stream_seq + info.num_pending
    // Messages that age out of the stream leave the floor behind.
    const isIdle = info.num_pending === 0 && info.num_ack_pending === 0
    return { ends: [end], read: [isIdle ? end : info.ack_floor.stream_seq] }
  }
}
