import type { Applicant, Share } from '../../assigner.ts'
import type { Standby, TopicPartition } from '../../port.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

/**
 * What members and their leader say to each other through the coordinator: the standard
 * subscription and assignment of consumers (ConsumerProtocolSubscription and -Assignment, version
 * 0), so that tools can show them. The user data of a subscription says first what the member
 * holds: 32-bit numbers 7, 3, 0, 1, 2 for generation 7 and the partitions 0, 1, 2. Then it says
 * which copies are wanted and how far its own reach: 32-bit 1, 1, 4 and 64-bit 900 for one copy of
 * each, and 900 in that of partition 4. The user data of an assignment names the standbys: 2, 4, 0,
 * 5, 1 for partitions 4 and 5, of which 5 is due. Members of former versions know of neither, and
 * get no standby.
 */
export const PROTOCOL_NAME = 'copartitioned-sticky'

const VERSION = 0

const NUMBER_BYTES = 4
const PROGRESS_BYTES = 12

export function encodeSubscription(applicant: Omit<Applicant, 'memberId'>): Buffer {
  const { topics, generation, numbers, replicas, progress } = applicant
  const out = new ByteWriter().int16(VERSION).int32(topics.length)
  for (const topic of topics) out.string(topic)
  out.int32(NUMBER_BYTES * (4 + numbers.length) + PROGRESS_BYTES * progress.size)
  out.int32(generation).int32(numbers.length)
  for (const number of numbers) out.int32(number)
  out.int32(replicas).int32(progress.size)
  for (const [number, reached] of progress) out.int32(number).int64(reached)
  return out.buffer
}

export function decodeSubscription(memberId: string, bytes: Buffer): Applicant {
  const reader = new ByteReader(bytes)
  reader.skip(2)
  const topics = reader.array(() => reader.string())
  const end = reader.int32() + reader.at
  const has = (count: number): boolean => reader.at + count * NUMBER_BYTES <= end
  const [generation, numbers] = has(2) ? [reader.int32(), reader.array(() => reader.int32())] : [-1, []]
  const [replicas, progress] = has(2) ? [reader.int32(), reader.array(() => readProgress(reader))] : [0, []]
  return { memberId, topics, generation, numbers, replicas, progress: new Map(progress) }
}

const readProgress = (reader: ByteReader): [number, number] => [reader.int32(), reader.int64()]

export function encodeAssignment({ held, standbys }: Share): Buffer {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of held) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
  const out = new ByteWriter().int16(VERSION).int32(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    out.string(topic).int32(partitions.length)
    for (const partition of partitions) out.int32(partition)
  }
  out.int32(NUMBER_BYTES * (1 + 2 * standbys.length)).int32(standbys.length)
  for (const { partition, due } of standbys) out.int32(partition).int32(Number(due))
  return out.buffer
}

/** Nothing for a member that the leader did not know of. */
export function decodeAssignment(bytes: Buffer): Share {
  if (bytes.length === 0) return { held: [], standbys: [] }
  const reader = new ByteReader(bytes)
  reader.skip(2)
  const topics = reader.array((): TopicPartition[] => {
    const topic = reader.string()
    return reader.array(() => ({ topic, partition: reader.int32() }))
  })
  const isTold = reader.int32() >= NUMBER_BYTES
  const readStandby = (): Standby => ({ partition: reader.int32(), due: reader.int32() === 1 })
  return { held: topics.flat(), standbys: isTold ? reader.array(readStandby) : [] }
}
