import type { Round } from '../writing/batches.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import type { OwnRequest } from '../wire/own-call.ts'
import { putRecordBatch } from './record-batch-encoder.ts'

/**
 * Under which producer id a request writes; without a transactional id the records are visible at
 * once.
 */
export interface ProducerIdentity {
  readonly transactionalId: string | null
  readonly producerId: bigint
  readonly epoch: number
}

export interface ProducedPart {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** Offset of the batch's first record. */
  readonly baseOffset: number
}

export interface ProduceAnswer {
  readonly parts: readonly ProducedPart[]
  readonly clientSideThrottleTime: number
}

/** All in-sync replicas: nothing that was accepted is lost [W1]. */
const ACKS_ALL = -1

/**
 * How long the leader may wait for the replicas. Below the request timeout, so that the answer says
 * so.
 */
const REPLICAS_WITHIN_MS = 8_000

/** Names, counts and lengths around one batch, beside the topic's name. */
const PART_OVERHEAD_BYTES = 32

/**
 * Produce v7: one request, one pass, one piece of memory. Also the first version that Kafka 4 and
 * Redpanda have in common with kafkajs's last.
 *
 * @param firstSequence the sequence of each batch's first record, in the order of `round`
 */
export function produceRequest(
  round: Round,
  identity: ProducerIdentity,
  firstSequence: readonly number[],
): OwnRequest<ProduceAnswer> {
  return {
    apiKey: 0,
    apiVersion: 7,
    apiName: 'Produce',
    encode: () => encode(round, identity, firstSequence),
    decode,
  }
}

function encode(round: Round, identity: ProducerIdentity, firstSequence: readonly number[]): ByteWriter {
  const out = new ByteWriter(bytesMax(round))
  out.string(identity.transactionalId).int16(ACKS_ALL).int32(REPLICAS_WITHIN_MS).int32(round.length)
  const { producerId, epoch } = identity
  const isTransactional = identity.transactionalId !== null
  for (const [i, batch] of round.entries()) {
    // A topic to each batch, even if it is the same as before: brokers take them as they come.
    out.string(batch.topic).int32(1).int32(batch.partition)
    const sizeAt = out.end
    const at = out.int32(0).reserve(batch.bytesMax)
    const origin = { producerId, epoch, firstSequence: firstSequence[i] ?? 0, isTransactional }
    out.advance(putRecordBatch(out.buf, at, batch, origin))
    out.patchInt32(sizeAt, out.end - at)
  }
  return out
}

function bytesMax(round: Round): number {
  let bytes = 256
  for (const batch of round) bytes += batch.bytesMax + PART_OVERHEAD_BYTES + 3 * batch.topic.length
  return bytes
}

function decode(reader: ByteReader): ProduceAnswer {
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => decodePart(reader, topic))
  })
  return { parts: topics.flat(), clientSideThrottleTime: reader.int32() }
}

function decodePart(reader: ByteReader, topic: string): ProducedPart {
  const part = {
    topic,
    partition: reader.int32(),
    errorCode: reader.int16(),
    baseOffset: reader.int64(),
  }
  // Log append time and log start offset.
  reader.skip(16)
  return part
}
