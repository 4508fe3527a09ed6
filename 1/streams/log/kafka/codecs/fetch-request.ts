import type { TopicPartition } from '../../port.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { OwnRequest } from '../wire/own-call.ts'
import type { AbortedTransaction } from './read-committed.ts'

export interface FetchFrom extends TopicPartition {
  readonly offset: number
  /** Of the leader that is asked, when known: one of another epoch refuses (KIP-320). */
  readonly leaderEpoch?: number | undefined
}

export interface FetchLimits {
  readonly waitMs: number
  /** Of the whole answer, and of each partition's part; one batch always fits (KIP-74). */
  readonly bytesMax: number
  readonly partitionBytesMax: number
}

/**
 * One partition's part of an answer. The records are still encoded; they are decoded where they are
 * wanted.
 */
export interface FetchedPart extends TopicPartition {
  readonly errorCode: number
  readonly lastStableOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly bytes: Buffer
}

export interface FetchAnswer {
  readonly errorCode: number
  readonly parts: readonly FetchedPart[]
  readonly clientSideThrottleTime: number
}

const READ_COMMITTED = 1
const NO_REPLICA = -1
const NO_EPOCH = -1
const NO_OFFSET = -1

/** Beyond the wait that is asked for, before the connection counts as broken. */
const ANSWER_WITHIN_MS = 10_000

/**
 * Fetch v11 without a session. kafkajs decodes every record into strings and Longs, and forgets
 * where a batch without records ends. When an offset is out of range it commits one of its own. So
 * its consumer could not be used as it is.
 */
export function fetchRequest(from: readonly FetchFrom[], limits: FetchLimits): OwnRequest<FetchAnswer> {
  return {
    apiKey: 1,
    apiVersion: 11,
    apiName: 'Fetch',
    encode: () => encode(from, limits),
    decode,
    requestTimeoutMs: limits.waitMs + ANSWER_WITHIN_MS,
  }
}

function encode(from: readonly FetchFrom[], limits: FetchLimits): ByteWriter {
  const out = new ByteWriter(64 + 64 * from.length)
  out.int32(NO_REPLICA).int32(limits.waitMs).int32(1).int32(limits.bytesMax).int8(READ_COMMITTED)
  // No session.
  out.int32(0).int32(NO_EPOCH).int32(from.length)
  for (const { topic, partition, offset, leaderEpoch = NO_EPOCH } of from) {
    out.string(topic).int32(1).int32(partition).int32(leaderEpoch)
    out.int64(offset).int64(NO_OFFSET).int32(limits.partitionBytesMax)
  }
  // No forgotten topics and no rack.
  return out.int32(0).string('')
}

function decode(reader: ByteReader): FetchAnswer {
  const clientSideThrottleTime = reader.int32()
  const errorCode = reader.int16()
  // The session.
  reader.skip(4)
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => decodePart(reader, topic))
  })
  return { clientSideThrottleTime, errorCode, parts: topics.flat() }
}

function decodePart(reader: ByteReader, topic: string): FetchedPart {
  const partition = reader.int32()
  const errorCode = reader.int16()
  // The high watermark: only what is stable is read.
  reader.skip(8)
  const lastStableOffset = reader.int64()
  reader.skip(8)
  const aborted = reader.array(() => ({ producerId: reader.int64(), firstOffset: reader.int64() }))
  // The preferred replica.
  reader.skip(4)
  const bytes = reader.prefixed()
  return { topic, partition, errorCode, lastStableOffset, aborted, bytes }
}
