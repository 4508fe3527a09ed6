import { encode } from '../../contracts/decode.ts'
import { changelogTopicOf, MARKS_STORE, type Topology } from '../../dsl/topology.ts'
import type { Headers, OutRecord } from '../../log/port.ts'
import { partitionOf } from '../../log/partitioner.ts'
import type { Emitted, Poison } from './round.ts'
import type { RowChange } from '../store/store.ts'

/** Turns the effects of a round into records to write. */

export interface OutputContext {
  readonly topology: Topology
  readonly partition: number
  /** Partition count by topic. */
  readonly partitions: ReadonlyMap<string, number>
}

export function emittedRecord(emitted: Emitted, context: OutputContext): OutRecord {
  const { topic, value } = emitted
  const key = topic.key(value)
  const partitions = context.partitions.get(topic.name)
  if (partitions === undefined)
    throw new Error(`topic ${topic.name} does not exist: it must be provisioned first`)
  return {
    topic: topic.name,
    partition: partitionOf(key, partitions),
    key,
    value: encode(value),
    timestamp: emitted.now,
    headers: headersOf(emitted),
  }
}

function headersOf({ topic, value, trace, replayed }: Emitted): Headers {
  const headers = topic.headers(value)
  if (trace === undefined && !replayed) return headers
  return {
    ...headers,
    ...(trace !== undefined && { traceparent: trace }),
    ...(replayed && { replayed: '1' }),
  }
}

export const poisonRecord = (poison: Poison): OutRecord => ({
  topic: poison.topic,
  partition: poison.record.partition,
  key: poison.record.key,
  value: poison.value,
  timestamp: poison.record.timestamp,
  headers: { ...poison.record.headers, ...(poison.replayed && { replayed: '1' }) },
})

/** Row changes stay in the partition of their task, whatever the partitioner would say of their key. */
export const changelogRecord = (change: RowChange, context: OutputContext, nowMs: number): OutRecord => ({
  topic: changelogTopicOf(context.topology.name, change.store),
  partition: context.partition,
  key: change.key,
  value: change.encoded ?? null,
  timestamp: nowMs,
})

/** The mark of a source topic: everything below it was processed once, so reading it again is a replay (spec P3). */
export const markChange = (topic: string, mark: number): RowChange => ({
  store: MARKS_STORE,
  key: topic,
  encoded: String(mark),
  armed: [],
  disarmed: [],
})
