import { partitionKey } from '../../port.ts'
import type { HeaderValue, Headers, LogRecord, TopicPartition } from '../../port.ts'
import { readInt64 } from '../wire/byte-reader.ts'
import { crc32c } from './crc32c.ts'
import { decompressed } from './packing/decompress.ts'
import { ReadCommitted } from './read-committed.ts'
import type { AbortedTransaction } from './read-committed.ts'
import { BATCH_HEADER_BYTES } from './record-batch-encoder.ts'

export interface Decoded {
  readonly records: LogRecord[]
  /**
   * After the last whole batch, whatever was in it: control records, aborted ones, or nothing after
   * a compaction.
   */
  readonly next: number
  /** Under which leader the last whole batch was written; -1 when there is none. */
  readonly epoch: number
}

/**
 * A batch that cannot be read. `damaged`: it is not what was written, and may arrive whole the next
 * time. `foreign`: it is in a form that is not known here, and always will be.
 */
export class UnreadableBatch extends Error {
  override readonly name = 'UnreadableBatch'
  readonly kind: 'damaged' | 'foreign'

  constructor(kind: 'damaged' | 'foreign', message: string) {
    super(message)
    this.kind = kind
  }
}

const MAGIC = 2
const CODEC = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/** Length of a batch from its offset and length fields on. */
const PREFIX_BYTES = 12

/**
 * The committed records from `offset` on. Keys and values are views of `bytes`, not copies: who
 * keeps one keeps the fetch. Reads up to a batch that it cannot read, and throws UnreadableBatch
 * when that is the first.
 *
 * @param bytes batches one after the other; the last may be cut off, because brokers cut at a
 *   number of bytes
 */
export function decodeRecords(
  at: TopicPartition,
  bytes: Buffer,
  offset: number,
  aborted: readonly AbortedTransaction[],
): Decoded {
  const committed = new ReadCommitted(aborted)
  const records: LogRecord[] = []
  let [next, epoch] = [offset, NO_EPOCH]
  for (let start = 0; start + BATCH_HEADER_BYTES <= bytes.length; ) {
    const end = start + PREFIX_BYTES + bytes.readInt32BE(start + 8)
    if (end > bytes.length) break
    const before = records.length
    try {
      const batch = batchAt(at, bytes, start, end)
      if (committed.isVisible(batch) && !batch.isControl) readBatch(at, batch, offset, records)
      next = Math.max(next, batch.lastOffset + 1)
    } catch (error) {
      const fault = unreadable(at, bytes, start, error)
      if (!(fault instanceof UnreadableBatch) || next === offset) throw fault
      records.length = before
      break
    }
    epoch = bytes.readInt32BE(start + 12)
    start = end
  }
  return { records, next, epoch }
}

const NO_EPOCH = -1

/** A batch whose checksum is right but whose fields lead out of it was written so. */
function unreadable(at: TopicPartition, bytes: Buffer, start: number, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error
  return foreign(at, readInt64(bytes, start), `cannot be read: ${error.message}`)
}

interface EncodedBatch {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly firstTimestamp: number
  /** Set when the broker stamped the batch; then it holds for every record. */
  readonly appendTimestamp: number | null
  readonly producerId: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly isAbortMarker: boolean
  readonly count: number
  readonly body: Buffer
}

function batchAt(at: TopicPartition, bytes: Buffer, start: number, end: number): EncodedBatch {
  const firstOffset = readInt64(bytes, start)
  if (end < start + BATCH_HEADER_BYTES) throw damaged(at, firstOffset, 'is shorter than its header')
  if (bytes[start + 16] !== MAGIC) throw foreign(at, firstOffset, 'is in a message format before v2')
  if (bytes.readUInt32BE(start + 17) !== crc32c(bytes, start + 21, end))
    throw damaged(at, firstOffset, 'fails its checksum')
  const attributes = bytes.readInt16BE(start + 21)
  const isControl = (attributes & CONTROL) !== 0
  const packed = bytes.subarray(start + BATCH_HEADER_BYTES, end)
  const body = decompressed(packed, attributes & CODEC)
  return {
    firstOffset,
    lastOffset: firstOffset + bytes.readInt32BE(start + 23),
    firstTimestamp: readInt64(bytes, start + 27),
    appendTimestamp: (attributes & LOG_APPEND_TIME) === 0 ? null : readInt64(bytes, start + 35),
    producerId: readInt64(bytes, start + 43),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl,
    isAbortMarker: isControl && isAbort(body),
    count: bytes.readInt32BE(start + 57),
    body,
  }
}

const foreign = (at: TopicPartition, offset: number, why: string): UnreadableBatch =>
  new UnreadableBatch('foreign', `${partitionKey(at)}: the batch at ${offset} ${why}`)

const damaged = (at: TopicPartition, offset: number, why: string): UnreadableBatch =>
  new UnreadableBatch('damaged', `${partitionKey(at)}: the batch at ${offset} ${why}`)

/**
 * The one record of a control batch has a key of version and type; type 0 ends an aborted
 * transaction, 1 a committed one.
 */
function isAbort(body: Buffer): boolean {
  const cursor = new RecordCursor(body)
  // A control batch keeps its place but not its record when a compaction has had no more use for
  // it.
  if (body.length === 0) return false
  cursor.varint()
  cursor.skip(1)
  cursor.varlong()
  cursor.varint()
  const key = cursor.bytes()
  return key !== null && key.readInt16BE(2) === 0
}

function readBatch(at: TopicPartition, batch: EncodedBatch, from: number, into: LogRecord[]): void {
  const { topic, partition } = at
  const cursor = new RecordCursor(batch.body)
  for (let i = 0; i < batch.count; i += 1) {
    const length = cursor.varint()
    const end = cursor.at + length
    if (length < 0 || end > batch.body.length)
      throw foreign(at, batch.firstOffset, 'counts more records than it has')
    cursor.skip(1)
    const age = cursor.varlong()
    const offset = batch.firstOffset + cursor.varint()
    if (offset >= from) {
      const timestamp = batch.appendTimestamp ?? batch.firstTimestamp + age
      const [key, value] = [cursor.bytes(), cursor.bytes()]
      into.push({ topic, partition, offset, timestamp, key, value, headers: cursor.headers() })
    }
    cursor.at = end
  }
}

const NO_HEADERS: Headers = Object.freeze({})

/** Reads the fields of records, front to back. */
class RecordCursor {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  skip(bytes: number): void {
    this.at += bytes
  }

  varint(): number {
    let shift = 0
    let zigzag = 0
    for (;;) {
      const byte = this.#bytes[this.at] ?? 0
      this.at += 1
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1)
      shift += 7
    }
  }

  /** Up to 2^53, which is more than milliseconds ever need. */
  varlong(): number {
    let scale = 1
    let zigzag = 0
    for (;;) {
      const byte = this.#bytes[this.at] ?? 0
      this.at += 1
      zigzag += (byte & 0x7f) * scale
      if (byte < 0x80) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
      scale *= 128
    }
  }

  bytes(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const start = this.at
    this.at += length
    return this.#bytes.subarray(start, this.at)
  }

  headers(): Headers {
    const count = this.varint()
    if (count === 0) return NO_HEADERS
    const headers: Record<string, HeaderValue | HeaderValue[]> = {}
    for (let i = 0; i < count; i += 1) {
      if (this.at >= this.#bytes.length) throw new RangeError('a record counts headers that it has not')
      const name = this.bytes()?.toString('utf8') ?? ''
      addHeader(headers, name, this.bytes() ?? EMPTY)
    }
    return headers
  }
}

const EMPTY = Buffer.alloc(0)

function addHeader(headers: Record<string, HeaderValue | HeaderValue[]>, name: string, value: Buffer): void {
  const before = Object.hasOwn(headers, name) ? headers[name] : undefined
  if (Array.isArray(before)) before.push(value)
  // Defined and not assigned: a header may be called __proto__.
  else
    Object.defineProperty(headers, name, {
      value: before === undefined ? value : [before, value],
      enumerable: true,
      writable: true,
      configurable: true,
    })
}
