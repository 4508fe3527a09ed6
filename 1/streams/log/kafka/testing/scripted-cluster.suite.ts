import { partitionKey } from '../../port.ts'
import type { TopicPartition } from '../../port.ts'
import type { EpochQuestion } from '../codecs/leader-epoch-request.ts'
import { planRounds } from '../writing/batches.ts'
import { putRecordBatch } from '../codecs/record-batch-encoder.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { SETTINGS, scriptedBroker } from '../wire/testing/scripted-broker.suite.ts'
import type { ScriptedBroker, Seen } from '../wire/testing/scripted-broker.suite.ts'

const NODE = 1

/** What the one broker says of a partition; a test changes it while it runs. */
export interface ScriptedPartition {
  /** Null while there is no leader. */
  epoch: number | null
  /** What a fetch from an offset is answered with. */
  fetch(offset: number): { readonly errorCode?: number; readonly bytes?: Buffer }
  /** Where the records of an epoch end. */
  endOf?(epoch: number): number
}

export interface ScriptedCluster {
  readonly broker: ScriptedBroker
  /** Offsets that were asked for, by `partitionKey`, each with the epoch of the question. */
  readonly fetched: Map<string, { readonly offset: number; readonly epoch: number }[]>
  readonly epochQuestions: EpochQuestion[]
}

/**
 * One broker that leads what `partitions` says, by `partitionKey`. The first `lost` questions are
 * lost with their connections, and so is what it does not know.
 */
export async function scriptedCluster(
  partitions: ReadonlyMap<string, ScriptedPartition>,
  { lost = 0 }: { readonly lost?: number } = {},
): Promise<ScriptedCluster> {
  let left = lost
  const fetched: ScriptedCluster['fetched'] = new Map()
  const epochQuestions: EpochQuestion[] = []
  const answers: Record<number, (seen: Seen) => Buffer> = {
    1: (seen) => fetchAnswer(seen, partitions, fetched),
    3: (seen) => metadataAnswer(seen, broker.port, partitions),
    23: (seen) => epochAnswer(seen, partitions, epochQuestions),
  }
  const broker: ScriptedBroker = await scriptedBroker((seen) => {
    const answer = answers[seen.apiKey]
    left -= 1
    if (answer === undefined || left >= 0) seen.socket.destroy()
    else {
      const frame = seen.answer(answer(seen))
      // As a broker waits that has nothing.
      setTimeout(() => seen.socket.write(frame), seen.apiKey === 1 ? 2 : 0)
    }
  })
  return { broker, fetched, epochQuestions }
}

/** Settings of a cluster object for it. */
export const scriptedSettings = ({ broker }: ScriptedCluster) => ({
  ...SETTINGS,
  seeds: [`127.0.0.1:${broker.port}`],
})

/** A batch of one record without a key, which the leader of an epoch has written. */
export function batchOf(offset: number, value: string, epoch = 0): Buffer {
  const record = { topic: 't', partition: 0, key: null, value, timestamp: 1 }
  const [batch] = planRounds([record])[0] ?? []
  if (batch === undefined) throw new Error('nothing to encode')
  const out = Buffer.alloc(batch.bytesMax)
  const origin = { producerId: -1n, epoch: -1, firstSequence: -1, isTransactional: false }
  const bytes = out.subarray(0, putRecordBatch(out, 0, batch, origin))
  bytes.writeBigInt64BE(BigInt(offset), 0)
  bytes.writeInt32BE(epoch, 12)
  return bytes
}

const numbersOf = (partitions: ReadonlyMap<string, ScriptedPartition>, topic: string): readonly number[] =>
  [...partitions.keys()].filter((key) => key.startsWith(`${topic}:`)).map((_, i) => i)

/** Metadata v10. */
function metadataAnswer(
  { body }: Seen,
  port: number,
  partitions: ReadonlyMap<string, ScriptedPartition>,
): Buffer {
  body.skipTags()
  const topics = body.compactArray(() => {
    body.skip(16)
    const topic = body.compactString()
    body.skipTags()
    return topic
  })
  const out = new ByteWriter().noTags().int32(0)
  out.uvarint(2).int32(NODE).compactString('127.0.0.1').int32(port).compactString(null).noTags()
  out
    .compactString('cluster')
    .int32(NODE)
    .uvarint(topics.length + 1)
  for (const topic of topics) {
    const numbers = numbersOf(partitions, topic)
    out
      .int16(0)
      .compactString(topic)
      .raw(Buffer.alloc(16, 7))
      .int8(0)
      .uvarint(numbers.length + 1)
    for (const partition of numbers) {
      const { epoch = null } = partitions.get(partitionKey({ topic, partition })) ?? {}
      out
        .int16(epoch === null ? 5 : 0)
        .int32(partition)
        .int32(epoch === null ? -1 : NODE)
        .int32(epoch ?? 0)
      out.uvarint(1).uvarint(1).uvarint(1).noTags()
    }
    out.int32(0).noTags()
  }
  return out.int32(0).noTags().buffer
}

const FENCED_LEADER_EPOCH = 74
const NOT_LEADER = 6

/** Fetch v11. */
function fetchAnswer(
  { body }: Seen,
  partitions: ReadonlyMap<string, ScriptedPartition>,
  fetched: ScriptedCluster['fetched'],
): Buffer {
  body.skip(4 * 4 + 1 + 8)
  const parts = body.array(() => {
    const topic = body.string()
    return body.array(() => {
      const [partition, epoch, offset] = [body.int32(), body.int32(), body.int64()]
      body.skip(12)
      return { topic, partition, epoch, offset }
    })
  })
  const asked = parts.flat()
  const out = new ByteWriter().int32(0).int16(0).int32(0).int32(asked.length)
  for (const one of asked) {
    const key = partitionKey(one)
    fetched.set(key, [...(fetched.get(key) ?? []), { offset: one.offset, epoch: one.epoch }])
    const { errorCode, bytes } = answerOf(partitions.get(key), one)
    out.string(one.topic).int32(1).int32(one.partition).int16(errorCode)
    out.int64(1_000).int64(1_000).int64(0).int32(0).int32(-1).bytes(bytes)
  }
  return out.buffer
}

function answerOf(
  partition: ScriptedPartition | undefined,
  { epoch, offset }: { readonly epoch: number; readonly offset: number },
): { readonly errorCode: number; readonly bytes: Buffer } {
  const bytes = Buffer.alloc(0)
  if (partition === undefined || partition.epoch === null) return { errorCode: NOT_LEADER, bytes }
  if (epoch !== partition.epoch) return { errorCode: FENCED_LEADER_EPOCH, bytes }
  return { errorCode: 0, bytes, ...partition.fetch(offset) }
}

/** OffsetForLeaderEpoch v3. */
function epochAnswer(
  { body }: Seen,
  partitions: ReadonlyMap<string, ScriptedPartition>,
  questions: EpochQuestion[],
): Buffer {
  body.skip(4)
  const asked = body
    .array(() => {
      const topic = body.string()
      return body.array((): EpochQuestion & TopicPartition => {
        return { topic, partition: body.int32(), leaderEpoch: body.int32(), epoch: body.int32() }
      })
    })
    .flat()
  questions.push(...asked)
  const out = new ByteWriter().int32(0).int32(asked.length)
  for (const { topic, partition, epoch } of asked) {
    const end = partitions.get(partitionKey({ topic, partition }))?.endOf?.(epoch) ?? -1
    out.string(topic).int32(1).int16(0).int32(partition).int32(epoch).int64(end)
  }
  return out.buffer
}
