import type { TopicPartition } from '../port.ts'
import type { Applicant } from './assigner.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

/**
 * What members and their leader say to each other through the coordinator: the standard subscription and assignment of consumers
 * (ConsumerProtocolSubscription and -Assignment, version 0), so that tools can show them. The user data of a subscription says
 * what the member holds: five 32-bit numbers for generation 7 and the partitions 0, 1, 2 would be 7, 3, 0, 1, 2.
 */
export const PROTOCOL_NAME = 'copartitioned-sticky'

const VERSION = 0

export function encodeSubscription({ topics, generation, numbers }: Omit<Applicant, 'memberId'>): Buffer {
  const out = new ByteWriter().int16(VERSION).int32(topics.length)
  for (const topic of topics) out.string(topic)
  out.int32(4 * (2 + numbers.length))
  out.int32(generation).int32(numbers.length)
  for (const number of numbers) out.int32(number)
  return out.buffer
}

export function decodeSubscription(memberId: string, bytes: Buffer): Applicant {
  const reader = new ByteReader(bytes)
  reader.skip(2)
  const topics = reader.array(() => reader.string())
  if (reader.int32() < 8) return { memberId, topics, generation: -1, numbers: [] }
  return { memberId, topics, generation: reader.int32(), numbers: reader.array(() => reader.int32()) }
}

export function encodeAssignment(held: readonly TopicPartition[]): Buffer {
  const byTopic = new Map<string, number[]>()
  for (const { topic, partition } of held) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition])
  const out = new ByteWriter().int16(VERSION).int32(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    out.string(topic).int32(partitions.length)
    for (const partition of partitions) out.int32(partition)
  }
  return out.int32(-1).buffer
}

/** Nothing for a member that the leader did not know of. */
export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  if (bytes.length === 0) return []
  const reader = new ByteReader(bytes)
  reader.skip(2)
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => ({ topic, partition: reader.int32() }))
  })
  return topics.flat()
}
