import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import type { BrokerAddress } from '../wire/broker-connections.ts'
import { speaks } from '../wire/call.ts'
import type { CallFor } from '../wire/call.ts'
import { ownCall } from '../wire/own-call.ts'
import type { OwnRequest } from '../wire/own-call.ts'

export interface PartitionLeader {
  /** -1 while there is none. */
  readonly leader: number
  /** Grows with every election; -1 when the broker does not tell. */
  readonly leaderEpoch: number
}

export interface TopicMetadata {
  readonly topic: string
  readonly errorCode: number
  /** What the topic got when it was made; undefined when the broker does not tell. */
  readonly topicId: string | undefined
  /** By partition number. */
  readonly leaders: readonly PartitionLeader[]
  /** How many nodes are to hold each partition; of the one with the fewest. */
  readonly copies: number
}

export interface MetadataAnswer {
  /** All that there are, as far as the answering broker knows. */
  readonly brokers: readonly BrokerAddress[]
  readonly controllerId: number
  readonly topics: readonly TopicMetadata[]
  readonly clientSideThrottleTime: number
}

const NAME = { apiKey: 3, apiName: 'Metadata' }

/** A broker answers this from memory; one that does not is asked after the others. */
const ANSWER_WITHIN_MS = 4_000

/**
 * Metadata v10, which tells topic ids, or v7, which is all that Redpanda has and the first with
 * leader epochs. kafkajs stops at v6. Never creates a topic.
 */
export function metadataRequest(topics: readonly string[]): CallFor<MetadataAnswer> {
  return (versions) => {
    const withIds = speaks(versions, { apiKey: NAME.apiKey, apiVersion: 10 })
    return ownCall(withIds ? version10(topics) : version7(topics))(versions)
  }
}

function version7(topics: readonly string[]): OwnRequest<MetadataAnswer> {
  const encode = (): ByteWriter => {
    const out = new ByteWriter().int32(topics.length)
    for (const topic of topics) out.string(topic)
    return out.int8(0)
  }
  return { ...NAME, apiVersion: 7, encode, decode: decode7, requestTimeoutMs: ANSWER_WITHIN_MS }
}

const NO_ID = Buffer.alloc(16)

function version10(topics: readonly string[]): OwnRequest<MetadataAnswer> {
  const encode = (): ByteWriter => {
    const out = new ByteWriter().noTags().uvarint(topics.length + 1)
    for (const topic of topics) out.raw(NO_ID).compactString(topic).noTags()
    // Neither topics to be created nor who may do what.
    return out.int8(0).int8(0).int8(0).noTags()
  }
  return { ...NAME, apiVersion: 10, encode, decode: decode10, requestTimeoutMs: ANSWER_WITHIN_MS }
}

function decode7(reader: ByteReader): MetadataAnswer {
  const clientSideThrottleTime = reader.int32()
  const brokers = reader.array(() => {
    const broker = { nodeId: reader.int32(), host: reader.string(), port: reader.int32() }
    // The rack.
    reader.string()
    return broker
  })
  // The cluster's id.
  reader.string()
  const controllerId = reader.int32()
  const topics = reader.array((): TopicMetadata => {
    const [errorCode, topic] = [reader.int16(), reader.string()]
    reader.skip(1)
    const parts = reader.array(() => decodePart7(reader))
    return { topic, errorCode, topicId: undefined, ...partsInOrder(parts) }
  })
  return { clientSideThrottleTime, brokers, controllerId, topics }
}

function decodePart7(reader: ByteReader): Part {
  reader.skip(2)
  const part = { partition: reader.int32(), leader: reader.int32(), leaderEpoch: reader.int32() }
  const copies = reader.array(() => reader.int32()).length
  // Those in step, and those offline.
  for (let i = 0; i < 2; i += 1) reader.array(() => reader.int32())
  return { ...part, copies }
}

function decode10(reader: ByteReader): MetadataAnswer {
  reader.skipTags()
  const clientSideThrottleTime = reader.int32()
  const brokers = reader.compactArray(() => {
    const broker = { nodeId: reader.int32(), host: reader.compactString(), port: reader.int32() }
    // The rack.
    reader.compactString()
    reader.skipTags()
    return broker
  })
  // The cluster's id.
  reader.compactString()
  const controllerId = reader.int32()
  const topics = reader.compactArray(() => decodeTopic10(reader))
  return { clientSideThrottleTime, brokers, controllerId, topics }
}

function decodeTopic10(reader: ByteReader): TopicMetadata {
  const [errorCode, topic] = [reader.int16(), reader.compactString()]
  const id = reader.take(NO_ID.length)
  // Whether it is one of the cluster's own.
  reader.skip(1)
  const parts = reader.compactArray(() => decodePart10(reader))
  // Who may do what.
  reader.skip(4)
  reader.skipTags()
  return { topic, errorCode, topicId: id.equals(NO_ID) ? undefined : uuidOf(id), ...partsInOrder(parts) }
}

function decodePart10(reader: ByteReader): Part {
  reader.skip(2)
  const part = { partition: reader.int32(), leader: reader.int32(), leaderEpoch: reader.int32() }
  const copies = reader.compactArray(() => reader.int32()).length
  // Those in step, and those offline.
  for (let i = 0; i < 2; i += 1) reader.compactArray(() => reader.int32())
  reader.skipTags()
  return { ...part, copies }
}

interface Part extends PartitionLeader {
  readonly partition: number
  readonly copies: number
}

function partsInOrder(parts: readonly Part[]): Pick<TopicMetadata, 'leaders' | 'copies'> {
  const leaders: PartitionLeader[] = []
  for (const { partition, leader, leaderEpoch } of parts) leaders[partition] = { leader, leaderEpoch }
  return { leaders, copies: parts.length === 0 ? 0 : Math.min(...parts.map(({ copies }) => copies)) }
}

function uuidOf(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  const cuts = [0, 8, 12, 16, 20, 32]
  return cuts
    .slice(1)
    .map((end, i) => hex.slice(cuts[i], end))
    .join('-')
}
