import { partitionKey } from '../../port.ts'
import type { TopicPartition } from '../../port.ts'
import { listOffsets } from '../codecs/apis.ts'
import { BrokerError } from './broker-error.ts'
import type { Brokers } from './cluster.ts'
import type { Lane } from '../wire/broker-connections.ts'

/** What ListOffsets takes for a time. With read_committed "latest" is the last stable offset. */
export const EARLIEST = -2
export const LATEST = -1

const READ_COMMITTED = 1

/** Of what one broker leads, by `partitionKey`; forgets the leaders of what it refuses. */
export async function askOffsets(
  cluster: Brokers,
  lane: Lane,
  nodeId: number,
  asked: { readonly at: readonly TopicPartition[]; readonly timestamp: number },
): Promise<ReadonlyMap<string, number | BrokerError>> {
  const { at, timestamp } = asked
  const topics = at.map(({ topic, partition }) => ({ topic, partitions: [{ partition, timestamp }] }))
  const call = listOffsets({ isolationLevel: READ_COMMITTED, topics })
  const { responses } = await cluster.send(lane, nodeId, call)
  const offsets = new Map<string, number | BrokerError>()
  for (const { topic, partitions } of responses) {
    for (const { partition, errorCode, offset } of partitions) {
      const key = partitionKey({ topic, partition })
      if (errorCode !== 0) cluster.forgetTopic(topic)
      offsets.set(key, errorCode === 0 ? Number(offset) : new BrokerError(errorCode, 'ListOffsets', key))
    }
  }
  return offsets
}
