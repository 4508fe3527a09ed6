import { decode } from '../../../streams/contracts/decode.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import type { Topology } from '../../../streams/dsl/topology.ts'
import { listOffsets } from '../../../streams/log/kafka/codecs/apis.ts'
import { openCluster } from '../../../streams/log/kafka/cluster/open-cluster.ts'
import { headerText, partitionKey, type LogClient, type TopicPartition } from '../../../streams/log/port.ts'
import { groupOf } from '../../../streams/runtime/task/names.ts'
import { committedRecords, recordsFrom } from '../../committed-records.ts'
import type { Committed } from './recompute.ts'
import { writtenBy, type Scene } from './scene.ts'

/**
 * What the broker says after a run: what is committed, where the groups are, and what nobody has
 * ended.
 */
export const APP = 'verify'

export const partitionsOf = (topics: readonly string[], partitions: number): readonly TopicPartition[] =>
  topics.flatMap((topic) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })))

interface Read<V> {
  readonly values: readonly V[]
  readonly replayed: number
}

async function readTopic<V>(log: LogClient, topic: Topic<V>, partitions: number): Promise<Read<V>> {
  const values: V[] = []
  let replayed = 0
  for (const at of partitionsOf([topic.name], partitions)) {
    for await (const record of committedRecords(log, at)) {
      const value = decode(topic, record.value)
      if (!value.ok) throw new Error(`${partitionKey(at)}:${record.offset} cannot be read: ${value.reason}`)
      values.push(value.value)
      if (headerText(record.headers, 'replayed') === '1') replayed += 1
    }
  }
  return { values, replayed }
}

export async function readCommitted(log: LogClient, scene: Scene, partitions: number): Promise<Committed> {
  const echoes = await readTopic(log, scene.echoes, partitions)
  const totals = await readTopic(log, scene.totals, partitions)
  const spans = await readTopic(log, scene.spans, partitions)
  const alarms = await readTopic(log, scene.alarms, partitions)
  return {
    left: (await readTopic(log, scene.left, partitions)).values,
    right: (await readTopic(log, scene.right, partitions)).values,
    echoes: echoes.values,
    totals: totals.values,
    spans: spans.values,
    alarms: alarms.values,
    replayed: [echoes, totals, spans, alarms].reduce((sum, read) => sum + read.replayed, 0),
  }
}

/**
 * Committed records that the groups have not yet passed. What lies behind a cursor may still be
 * markers of transactions.
 */
export async function lagOf(log: LogClient, scene: Scene, partitions: number): Promise<number> {
  let lag = 0
  for (const topology of scene.topologies) lag += await lagOfOne(log, topology, partitions)
  return lag
}

async function lagOfOne(log: LogClient, topology: Topology, partitions: number): Promise<number> {
  const inputs = topology.inputs.map(({ name }) => name)
  const at = partitionsOf(inputs, partitions)
  const cursors = await log.admin.committed(groupOf(APP, topology.name), at)
  const lags = await Promise.all(
    at.map((one) => recordsFrom(log, one, cursors.get(partitionKey(one))?.next ?? 0)),
  )
  return lags.reduce((sum, lag) => sum + lag, 0)
}

/**
 * Ends of everything that is written, as one text: the same twice means that nothing was committed
 * in between.
 */
export async function endsOf(log: LogClient, scene: Scene, partitions: number): Promise<string> {
  const bounds = await log.admin.bounds(partitionsOf(writtenBy(scene), partitions))
  return JSON.stringify([...bounds].map(([key, { end }]) => `${key} ${end}`).sort())
}

const LATEST = -1
const READ_UNCOMMITTED = 0

/**
 * Partitions that an open transaction holds back: their last stable offset is below their high
 * watermark.
 */
export async function heldPartitions(
  log: LogClient,
  brokers: readonly string[],
  topics: readonly string[],
  partitions: number,
): Promise<readonly string[]> {
  const at = partitionsOf(topics, partitions)
  const stable = await log.admin.bounds(at)
  const cluster = openCluster({ brokers, clientId: 'verify-admin' })
  try {
    const held: string[] = []
    for (const { topic, partition } of at) {
      const request = listOffsets({
        isolationLevel: READ_UNCOMMITTED,
        topics: [{ topic, partitions: [{ partition, timestamp: LATEST }] }],
      })
      const answer = await cluster.send('admin', await cluster.leaderOf(topic, partition), request)
      const found = answer.responses[0]?.partitions[0]
      const key = partitionKey({ topic, partition })
      if (found === undefined || found.errorCode !== 0) throw new Error(`${key}: no high watermark`)
      if (Number(found.offset) !== stable.get(key)?.end) held.push(key)
    }
    return held
  } finally {
    await cluster.close()
  }
}
