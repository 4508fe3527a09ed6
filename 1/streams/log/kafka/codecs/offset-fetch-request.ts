import type { Cursor } from '../../port.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { OwnRequest } from '../wire/own-call.ts'

export interface FetchedCursor extends Cursor {
  readonly errorCode: number
  /** -1: it was committed without. */
  readonly leaderEpoch: number
}

export interface OffsetFetchAnswer {
  readonly errorCode: number
  /** `next` is -1 where the group has none. */
  readonly cursors: readonly FetchedCursor[]
  readonly clientSideThrottleTime: number
}

/**
 * OffsetFetch v7 with `require_stable` (KIP-447): a cursor that a transaction is about to move is
 * answered with UNSTABLE_OFFSET_COMMIT and not with its old value. kafkajs stops at v4, which
 * cannot ask for that.
 */
export function offsetFetchRequest(
  group: string,
  partitions: ReadonlyMap<string, readonly number[]>,
  isStable: boolean,
): OwnRequest<OffsetFetchAnswer> {
  return {
    apiKey: 9,
    apiVersion: 7,
    apiName: 'OffsetFetch',
    encode: () => {
      const out = new ByteWriter()
        .noTags()
        .compactString(group)
        .uvarint(partitions.size + 1)
      for (const [topic, numbers] of partitions) {
        out.compactString(topic).uvarint(numbers.length + 1)
        for (const partition of numbers) out.int32(partition)
        out.noTags()
      }
      return out.int8(Number(isStable)).noTags()
    },
    decode,
  }
}

function decode(reader: ByteReader): OffsetFetchAnswer {
  reader.skipTags()
  const clientSideThrottleTime = reader.int32()
  const topics = reader.compactArray(() => {
    const topic = reader.compactString()
    const cursors = reader.compactArray(() => decodeCursor(reader, topic))
    reader.skipTags()
    return cursors
  })
  return { clientSideThrottleTime, cursors: topics.flat(), errorCode: reader.int16() }
}

function decodeCursor(reader: ByteReader, topic: string): FetchedCursor {
  const partition = reader.int32()
  const next = reader.int64()
  const leaderEpoch = reader.int32()
  const [metadata, errorCode] = [reader.compactString(), reader.int16()]
  reader.skipTags()
  return { topic, partition, next, leaderEpoch, metadata, errorCode }
}
