import { partitionKey } from '../../port.ts'
import { BrokerError } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { leaderEpochRequest } from '../codecs/leader-epoch-request.ts'
import type { EpochQuestion } from '../codecs/leader-epoch-request.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'

/** Where one has read to, under which leader that was written, and who leads now. */
export interface ReadTo extends EpochQuestion {
  readonly offset: number
}

/** `end`: what was read below it is still there; undefined when everything is. */
export type CutBack = { readonly end: number } | BrokerError | undefined

/**
 * A new leader may not have all that its predecessor showed (an unclean election, a disk that was
 * lost). What was read beyond its end has been taken back, and other records may stand there by now
 * (KIP-320). Asks the leader, by `partitionKey`; partitions that it does not mention are absent.
 */
export async function findCutBack(
  cluster: Cluster,
  lane: Lane,
  nodeId: number,
  places: readonly ReadTo[],
): Promise<ReadonlyMap<string, CutBack>> {
  const { ends } = await cluster.send(lane, nodeId, ownCall(leaderEpochRequest(places)))
  const offsets = new Map(places.map((place) => [partitionKey(place), place.offset]))
  return new Map(
    ends.map(({ errorCode, end, ...at }): [string, CutBack] => {
      const key = partitionKey(at)
      if (errorCode !== 0) return [key, new BrokerError(errorCode, 'OffsetForLeaderEpoch', key)]
      return [key, end < (offsets.get(key) ?? 0) ? { end: Math.max(end, 0) } : undefined]
    }),
  )
}

/** Only a leader of another epoch than the one that was last read from may have cut back. */
export const mayBeCutBack = (readIn: number, epoch: number, leaderEpoch: number): boolean =>
  epoch >= 0 && leaderEpoch >= 0 && leaderEpoch !== readIn

export const cutBackSentence = (key: string, end: number, offset: number): string =>
  `${key} was cut back to ${end}, and had been read up to ${offset}`
