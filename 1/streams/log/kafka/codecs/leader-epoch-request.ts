import type { TopicPartition } from '../../port.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { OwnRequest } from '../wire/own-call.ts'

/** Up to where the records of an epoch lie, asked of the leader of a later one. */
export interface EpochQuestion extends TopicPartition {
  /** Of the leader that is asked; another one refuses. */
  readonly leaderEpoch: number
  /** Under which the last record was written that one has read. */
  readonly epoch: number
}

export interface EpochEnd extends TopicPartition {
  readonly errorCode: number
  /** -1 when the leader has no record of the epoch or of one before it. */
  readonly end: number
}

export interface EpochEnds {
  readonly ends: readonly EpochEnd[]
  readonly clientSideThrottleTime: number
}

/** From a consumer, which may see what is committed. */
const NO_REPLICA = -1

/** OffsetForLeaderEpoch v3 (KIP-320): in Kafka since 2.3 and in Redpanda; kafkajs has none. */
export function leaderEpochRequest(questions: readonly EpochQuestion[]): OwnRequest<EpochEnds> {
  const encode = (): ByteWriter => {
    const out = new ByteWriter(16 + 64 * questions.length).int32(NO_REPLICA).int32(questions.length)
    for (const { topic, partition, leaderEpoch, epoch } of questions)
      out.string(topic).int32(1).int32(partition).int32(leaderEpoch).int32(epoch)
    return out
  }
  return { apiKey: 23, apiVersion: 3, apiName: 'OffsetForLeaderEpoch', encode, decode }
}

function decode(reader: ByteReader): EpochEnds {
  const clientSideThrottleTime = reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array((): EpochEnd => {
      const [errorCode, partition] = [reader.int16(), reader.int32()]
      // The epoch that the end is of.
      reader.skip(4)
      return { topic, partition, errorCode, end: reader.int64() }
    })
  })
  return { clientSideThrottleTime, ends: topics.flat() }
}
