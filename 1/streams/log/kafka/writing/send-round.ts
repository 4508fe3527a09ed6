import type { PartitionBatch } from './batches.ts'
import { BrokerError, remedyFor } from '../cluster/broker-error.ts'
import type { Brokers } from '../cluster/cluster.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'
import { produceRequest } from '../codecs/produce-request.ts'
import type { ProducedPart, ProducerIdentity } from '../codecs/produce-request.ts'

/**
 * A batch on its way. It keeps its sequence through every repetition, by which the broker knows it
 * again.
 */
export interface Sending {
  readonly batch: PartitionBatch
  readonly key: string
  readonly firstSequence: number
}

/**
 * Every batch is in one of the two: with the offset of its first record, or with what stood against
 * it.
 */
export interface Sent {
  readonly offsets: Map<Sending, number>
  readonly errors: Map<Sending, unknown>
}

/** One attempt at one round: a request to each leader, all at the same time. Never rejects. */
export async function sendRound(
  cluster: Brokers,
  lane: Lane,
  identity: ProducerIdentity,
  round: readonly Sending[],
): Promise<Sent> {
  const sent: Sent = { offsets: new Map(), errors: new Map() }
  const byLeader = await groupByLeader(cluster, round, sent)
  const requests = [...byLeader].map(async ([nodeId, sendings]) => {
    try {
      const parts = await request(cluster, lane, identity, nodeId, sendings)
      for (const sending of sendings) settle(sending, parts.get(sending.key), sent)
    } catch (error) {
      for (const sending of sendings) sent.errors.set(sending, error)
    }
  })
  await Promise.all(requests)
  for (const [{ batch }, error] of sent.errors) {
    const remedy = remedyFor(error)
    if (remedy === 'lost' || remedy === 'elsewhere') cluster.forgetTopic(batch.topic)
  }
  return sent
}

async function groupByLeader(
  cluster: Brokers,
  round: readonly Sending[],
  sent: Sent,
): Promise<Map<number, Sending[]>> {
  const byLeader = new Map<number, Sending[]>()
  for (const sending of round) {
    const { topic, partition } = sending.batch
    try {
      const leader = cluster.knownLeader(topic, partition) ?? (await cluster.leaderOf(topic, partition))
      const together = byLeader.get(leader)
      if (together === undefined) byLeader.set(leader, [sending])
      else together.push(sending)
    } catch (error) {
      sent.errors.set(sending, error)
    }
  }
  return byLeader
}

async function request(
  cluster: Brokers,
  lane: Lane,
  identity: ProducerIdentity,
  nodeId: number,
  sendings: readonly Sending[],
): Promise<Map<string, ProducedPart>> {
  const batches = sendings.map(({ batch }) => batch)
  const sequences = sendings.map(({ firstSequence }) => firstSequence)
  const call = ownCall(produceRequest(batches, identity, sequences, cluster.compression))
  const { parts } = await cluster.send(lane, nodeId, call)
  return new Map(parts.map((part) => [`${part.topic}:${part.partition}`, part]))
}

/** NETWORK_EXCEPTION stands in for an answer that does not mention the partition. */
const NOT_MENTIONED = 13

function settle(sending: Sending, part: ProducedPart | undefined, sent: Sent): void {
  if (part?.errorCode === 0) sent.offsets.set(sending, part.baseOffset)
  else sent.errors.set(sending, new BrokerError(part?.errorCode ?? NOT_MENTIONED, 'Produce', sending.key))
}
