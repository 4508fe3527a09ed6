import { inSlices } from '../../../platform/slices.ts'
import type { Round } from '../writing/batches.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import type { OwnRequest } from '../wire/own-call.ts'
import type { Compression } from './packing/compress.ts'
import { putRecordBatch } from './record-batch-encoder.ts'
import type { BatchOrigin } from './record-batch-encoder.ts'
import type { TransactionProtocol } from './transaction-requests.ts'

/**
 * Under which producer id a request writes; without a transactional id the records are visible at
 * once.
 */
export interface ProducerIdentity {
  readonly transactionalId: string | null
  readonly producerId: bigint
  readonly epoch: number
  /** In protocol 2 what is written takes part in the transaction by that alone. Absent: 1. */
  readonly protocol?: TransactionProtocol
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
 * Redpanda have in common with kafkajs's last. Protocol 2 of transactions begins with v12.
 *
 * @param firstSequence the sequence of each batch's first record, in the order of `round`
 * @param compression how batches are packed; a repetition is packed to the same bytes
 */
export function produceRequest(
  round: Round,
  identity: ProducerIdentity,
  firstSequence: readonly number[],
  compression: Compression = 'none',
): OwnRequest<ProduceAnswer> {
  const name = { apiKey: 0, apiName: 'Produce' }
  const isFlexible = identity.protocol === 2
  const { producerId, epoch, transactionalId } = identity
  const writer = { producerId, epoch, compression, isTransactional: transactionalId !== null }
  const originAt: OriginAt = (i) => ({ ...writer, firstSequence: firstSequence[i] ?? 0 })
  // Batches are of a size that is encoded at a stretch.
  const encode = () => inSlices((isFlexible ? encode12 : encode7)(round, transactionalId, originAt))
  return isFlexible
    ? { ...name, apiVersion: 12, encode, decode: decode12 }
    : { ...name, apiVersion: 7, encode, decode: decode7 }
}

/** By the batch's place in the round. */
type OriginAt = (i: number) => BatchOrigin

/** The request, batch by batch. */
type Encoding = Generator<number, ByteWriter>

function* encode7(round: Round, transactionalId: string | null, originAt: OriginAt): Encoding {
  const out = new ByteWriter(bytesMax(round))
  out.string(transactionalId).int16(ACKS_ALL).int32(REPLICAS_WITHIN_MS).int32(round.length)
  for (const [i, batch] of round.entries()) {
    // A topic to each batch, even if it is the same as before: brokers take them as they come.
    out.string(batch.topic).int32(1).int32(batch.partition)
    const sizeAt = out.end
    const at = out.int32(0).reserve(batch.bytesMax)
    out.advance(putRecordBatch(out.buf, at, batch, originAt(i)))
    out.patchInt32(sizeAt, out.end - at)
    yield batch.bytesMax
  }
  return out
}

/** Sizes say one more than there is, and every structure ends with its tags, of which are none. */
function* encode12(round: Round, transactionalId: string | null, originAt: OriginAt): Encoding {
  const out = new ByteWriter(bytesMax(round)).noTags().compactString(transactionalId)
  out
    .int16(ACKS_ALL)
    .int32(REPLICAS_WITHIN_MS)
    .uvarint(round.length + 1)
  for (const [i, batch] of round.entries()) {
    out.compactString(batch.topic).uvarint(2).int32(batch.partition)
    putSizedBatch(out, batch, originAt(i))
    out.noTags().noTags()
    yield batch.bytesMax
  }
  return out.noTags()
}

/**
 * The size stands in front and takes more bytes the larger it is. Nearly always it takes as many as
 * the largest size that the batch may have; else the batch moves.
 */
function putSizedBatch(out: ByteWriter, batch: Round[number], origin: BatchOrigin): void {
  const sizeAt = out.end
  const expected = out.uvarint(batch.bytesMax + 1).end
  const at = out.reserve(batch.bytesMax)
  const end = putRecordBatch(out.buf, at, batch, origin)
  out.advance(sizeAt)
  const begins = out.uvarint(end - at + 1).end
  if (begins !== expected) out.buf.copyWithin(begins, at, end)
  out.advance(begins + end - at)
}

function bytesMax(round: Round): number {
  let bytes = 256
  for (const batch of round) bytes += batch.bytesMax + PART_OVERHEAD_BYTES + 3 * batch.topic.length
  return bytes
}

function decode7(reader: ByteReader): ProduceAnswer {
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => decodePart(reader, topic))
  })
  return { parts: topics.flat(), clientSideThrottleTime: reader.int32() }
}

function decode12(reader: ByteReader): ProduceAnswer {
  reader.skipTags()
  const topics = reader.compactArray(() => {
    const topic = reader.compactString()
    const parts = reader.compactArray(() => decodePart12(reader, topic))
    reader.skipTags()
    return parts
  })
  return { parts: topics.flat(), clientSideThrottleTime: reader.int32() }
}

function decodePart12(reader: ByteReader, topic: string): ProducedPart {
  const part = decodePart(reader, topic)
  // Which records of the batch the broker blames: the code says enough.
  reader.compactArray(() => {
    reader.int32()
    reader.compactString()
    reader.skipTags()
  })
  reader.compactString()
  reader.skipTags()
  return part
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
