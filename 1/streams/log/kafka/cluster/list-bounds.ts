import { partitionKey } from '../../port.ts'
import type { Bounds, TopicPartition } from '../../port.ts'
import { BrokerError } from './broker-error.ts'
import type { Cluster } from './cluster.ts'
import type { End } from './ends.ts'
import { askOffsets, EARLIEST, LATEST } from './list-offsets.ts'
import type { Lane } from '../wire/broker-connections.ts'

/** One attempt; forgets the leaders of what it could not list. */
export async function listBounds(
  cluster: Cluster,
  lane: Lane,
  at: readonly TopicPartition[],
): Promise<ReadonlyMap<string, Bounds>> {
  // Anew each time: a topic that was deleted and made again has another id.
  if (at.length > 0) await cluster.refresh([...new Set(at.map(({ topic }) => topic))])
  const byLeader = new Map<number, TopicPartition[]>()
  for (const one of at) {
    const leader = await cluster.leaderOf(one.topic, one.partition)
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), one])
  }
  const found = new Map<string, Bounds>()
  const asking = [...byLeader].map(async ([nodeId, mine]) => {
    const [starts, ends] = await Promise.all([
      list(cluster, lane, nodeId, mine, EARLIEST),
      list(cluster, lane, nodeId, mine, LATEST),
    ])
    for (const one of mine) {
      const key = partitionKey(one)
      const start = starts.get(key)
      if (start === undefined) continue
      found.set(key, { start, end: ends.get(key) ?? start, topicId: cluster.knownTopicId(one.topic) })
    }
  })
  await Promise.all(asking)
  return found
}

/**
 * Of what one broker leads, with the ids of the topics. Those may come of a question about the same
 * topics that was under way already.
 */
export async function askEnds(
  cluster: Cluster,
  lane: Lane,
  nodeId: number,
  at: readonly TopicPartition[],
): Promise<ReadonlyMap<string, End | BrokerError>> {
  const [offsets] = await Promise.all([
    askOffsets(cluster, lane, nodeId, { at, timestamp: LATEST }),
    cluster.refresh([...new Set(at.map(({ topic }) => topic))]),
  ])
  const ends = new Map<string, End | BrokerError>()
  for (const one of at) {
    const key = partitionKey(one)
    const end = offsets.get(key)
    if (end instanceof BrokerError) ends.set(key, end)
    else if (end !== undefined) ends.set(key, { end, topicId: cluster.knownTopicId(one.topic) })
  }
  return ends
}

async function list(
  cluster: Cluster,
  lane: Lane,
  nodeId: number,
  at: readonly TopicPartition[],
  timestamp: number,
): Promise<Map<string, number>> {
  const offsets = new Map<string, number>()
  for (const [key, offset] of await askOffsets(cluster, lane, nodeId, { at, timestamp })) {
    if (offset instanceof BrokerError) throw offset
    offsets.set(key, offset)
  }
  return offsets
}
