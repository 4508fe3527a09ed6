import { encode } from '../../contracts/decode.ts'
import { deadLetterTopicOf } from '../../contracts/topic.ts'
import type { Emission } from '../../dsl/execute.ts'
import { changelogTopicOf, type Topology } from '../../dsl/topology.ts'
import type { Headers, OutRecord } from '../../log/port.ts'
import { partitionOf } from '../../log/partitioner.ts'
import type { Poison } from './reading.ts'
import { carrierOf } from '../store/mark-rows.ts'
import type { RowChange } from '../store/store.ts'

/** Turns the effects of a round into records to write. */

export interface OutputContext {
  readonly topology: Topology
  readonly partition: number
  /** Partition count by topic. */
  readonly partitions: ReadonlyMap<string, number>
}

export function emittedRecord(emitted: Emission, context: OutputContext): OutRecord {
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

function headersOf({ topic, value, trace, replayed }: Emission): Headers {
  const headers = topic.headers(value)
  if (trace === undefined && !replayed) return headers
  return {
    ...headers,
    ...trace,
    ...(replayed && { replayed: '1' }),
  }
}

/**
 * In the partition of the record, with its key and headers, unless these alone could fill a record.
 */
export function poisonRecord({ record, letter, replayed }: Poison): OutRecord {
  const { key, headers, partition, timestamp } = record
  const fits = (key?.length ?? 0) + headerBytes(headers) <= KEY_AND_HEADER_BYTES_MAX
  return {
    topic: deadLetterTopicOf(record.topic),
    partition,
    key: fits ? key : null,
    value: encode(fits ? letter : { ...letter, truncated: true }),
    timestamp,
    headers: { ...(fits && headers), ...(replayed && { replayed: '1' }) },
  }
}

const KEY_AND_HEADER_BYTES_MAX = 65_536

function headerBytes(headers: Headers): number {
  let bytes = 0
  for (const [name, value] of Object.entries(headers)) {
    const values = typeof value === 'string' || Buffer.isBuffer(value) ? [value] : value
    for (const one of values) bytes += name.length + Buffer.byteLength(one)
  }
  return bytes
}

/**
 * Row changes stay in the partition of their task, whatever the partitioner would say of their key.
 */
export const changelogRecord = (change: RowChange, context: OutputContext, nowMs: number): OutRecord => ({
  topic: changelogTopicOf(context.topology.name, carrierOf(context.topology, change.store)),
  partition: context.partition,
  key: change.key,
  value: change.encoded ?? null,
  timestamp: nowMs,
})
