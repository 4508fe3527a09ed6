import { partitionKey } from '../../port.ts'
import { leaderEpochRequest } from '../codecs/leader-epoch-request.ts'
import type { EpochQuestion } from '../codecs/leader-epoch-request.ts'
import type { FetchedCursor } from '../codecs/offset-fetch-request.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'
import { BrokerError } from './broker-error.ts'
import type { Cluster } from './cluster.ts'

/**
 * Where the log ends for cursors beyond what it still has of what was read (KIP-320): another
 * leader than the one that was read from may have less, and have written other records there since.
 * Asked only of such a leader. An epoch counts only in a topic of known id, so of brokers that tell
 * no ids, and of cursors without an epoch, nothing is known. Nor is it when the leader has never
 * heard of the epoch.
 */
export async function cutBack(
  cluster: Cluster,
  lane: Lane,
  cursors: readonly FetchedCursor[],
): Promise<ReadonlyMap<string, number>> {
  const told = cursors.filter(({ leaderEpoch }) => leaderEpoch >= 0)
  const cut = new Map<string, number>()
  if (told.length === 0) return cut
  await cluster.refresh([...new Set(told.map(({ topic }) => topic))])
  const next = new Map(told.map((cursor) => [partitionKey(cursor), cursor.next]))
  for (const [nodeId, questions] of questionsByLeader(cluster, told)) {
    const { ends } = await cluster.send(lane, nodeId, ownCall(leaderEpochRequest(questions)))
    for (const { errorCode, end, ...at } of ends) {
      const key = partitionKey(at)
      if (errorCode !== 0) throw new BrokerError(errorCode, 'OffsetForLeaderEpoch', key)
      if (end >= 0 && end < (next.get(key) ?? 0)) cut.set(key, end)
    }
  }
  return cut
}

function questionsByLeader(
  cluster: Cluster,
  cursors: readonly FetchedCursor[],
): ReadonlyMap<number, readonly EpochQuestion[]> {
  const byLeader = new Map<number, EpochQuestion[]>()
  for (const { topic, partition, leaderEpoch: epoch } of cursors) {
    const known = cluster.knownLeadership(topic, partition)
    const mayBeCut = known !== undefined && known.leaderEpoch >= 0 && known.leaderEpoch !== epoch
    if (!mayBeCut || cluster.knownTopicId(topic) === undefined) continue
    const question = { topic, partition, leaderEpoch: known.leaderEpoch, epoch }
    byLeader.set(known.leader, [...(byLeader.get(known.leader) ?? []), question])
  }
  return byLeader
}
