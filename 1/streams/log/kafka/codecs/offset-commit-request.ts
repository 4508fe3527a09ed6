import type { Cursor, TopicPartition } from '../../port.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import type { OwnRequest } from '../wire/own-call.ts'

export interface OffsetsPayload {
  readonly topic: string
  readonly partitions: readonly {
    readonly partition: number
    readonly offset: string
    /** Under which the last record below the offset, or a later one, was written; -1: not known. */
    readonly leaderEpoch: number
    readonly metadata: string
  }[]
}

export const NO_EPOCH = -1

/** Cursors by topic, as the commit requests have them. */
export function offsetsPayload(
  cursors: readonly Cursor[],
  epochOf: (at: TopicPartition) => number = () => NO_EPOCH,
): readonly OffsetsPayload[] {
  const topics = new Map<string, OffsetsPayload['partitions'][number][]>()
  for (const { topic, partition, next, metadata } of cursors) {
    const leaderEpoch = epochOf({ topic, partition })
    const cursor = { partition, offset: next.toString(), leaderEpoch, metadata }
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, [cursor])
    else partitions.push(cursor)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

/** Who moves cursors; without a member and of generation -1 outside of any group. */
export interface Committer {
  readonly groupId: string
  readonly memberId: string
  readonly groupGenerationId: number
}

export interface OffsetCommitAnswer {
  /** Of each partition. */
  readonly codes: readonly number[]
  readonly clientSideThrottleTime: number
}

/** OffsetCommit v6, the first that carries leader epochs (KIP-320); kafkajs stops at v5. */
export function offsetCommitRequest(
  { groupId, memberId, groupGenerationId }: Committer,
  topics: readonly OffsetsPayload[],
): OwnRequest<OffsetCommitAnswer> {
  const encode = (): ByteWriter => {
    const out = new ByteWriter().string(groupId).int32(groupGenerationId).string(memberId)
    out.int32(topics.length)
    for (const { topic, partitions } of topics) {
      out.string(topic).int32(partitions.length)
      for (const { partition, offset, leaderEpoch, metadata } of partitions)
        out.int32(partition).int64(BigInt(offset)).int32(leaderEpoch).string(metadata)
    }
    return out
  }
  return { apiKey: 8, apiVersion: 6, apiName: 'OffsetCommit', encode, decode }
}

function decode(reader: ByteReader): OffsetCommitAnswer {
  const clientSideThrottleTime = reader.int32()
  const codes = reader.array(() => {
    reader.string()
    return reader.array(() => {
      reader.int32()
      return reader.int16()
    })
  })
  return { clientSideThrottleTime, codes: codes.flat() }
}
