import type { MsgHdrs } from '@nats-io/transport-node'
import { TOPICS } from '../../../streams/contracts/catalogue.ts'
import { decode } from '../../../streams/contracts/decode.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import type { OutRecord } from '../../../streams/log/port.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import { toLogHeaders } from '../headers.ts'
import type { Delivered } from './durable-reader.ts'

/** What the log needs of a JetStream message. */
export interface StoredMessage {
  readonly streamSequence: number
  readonly data: Uint8Array
  readonly headers: MsgHdrs | undefined
}

export function storedMessage(message: Delivered): StoredMessage {
  return {
    streamSequence: message.seq,
    data: message.data,
    headers: readableHeaders(message),
  }
}

/**
 * The client throws on a header name that it would not have written. Such a message is mirrored
 * without its headers.
 */
function readableHeaders(message: Delivered): MsgHdrs | undefined {
  try {
    return message.headers
  } catch {
    return undefined
  }
}

export function topicNamed(name: string): Topic<unknown> {
  const topic = TOPICS.find((one) => one.name === name)
  if (topic === undefined) throw new Error(`no topic has the name ${name}`)
  return topic
}

/**
 * The record of a message: same bytes, key and partition as the topic's own writers would choose. A
 * message that cannot be read has no key. It goes to a partition by its sequence, and its topology
 * dead-letters it [EV58].
 *
 * Its time is when the log gets it: what waited in NATS must not look like something for which
 * others have waited (ADR 0025).
 */
export function inboundRecord(
  topic: Topic<unknown>,
  partitions: number,
  message: StoredMessage,
  nowMs: number,
): OutRecord {
  const value = asBuffer(message.data)
  const decoded = decode(topic, value)
  const key = decoded.ok ? topic.key(decoded.value) : null
  return {
    topic: topic.name,
    partition: key === null ? message.streamSequence % partitions : partitionOf(key, partitions),
    key,
    value,
    timestamp: nowMs,
    headers: toLogHeaders(message.headers, message.streamSequence),
  }
}

/**
 * The same memory: the client library hands out each message's own slice of what the socket read.
 */
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
