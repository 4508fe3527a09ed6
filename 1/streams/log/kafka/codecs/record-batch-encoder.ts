import type { Headers, HeaderValue, OutRecord } from '../../port.ts'
import { crc32c } from './crc32c.ts'
import { CODEC_NUMBER, compressed } from './packing/compress.ts'
import type { Compression } from './packing/compress.ts'
import { putVarint, putVarlong, varintBytes, varlongBytes } from './varint.ts'

/**
 * RecordBatch v2 in one pass into memory that the caller has sized (Kafka protocol guide, "Record
 * Batch"). kafkajs allocates a buffer for every field and reaches a tenth of this. The bytes are
 * the same, which a property test checks.
 */
export interface RecordBatch {
  readonly records: readonly OutRecord[]
  /**
   * Three to a record, measured once by `measure`: bytes of the key, of the value (-1 for null), of
   * all headers.
   */
  readonly lengths: readonly number[]
  readonly firstTimestamp: number
  readonly maxTimestamp: number
}

/** Who writes, for the broker's deduplication; a producer id of -1n writes without. */
export interface BatchOrigin {
  readonly producerId: bigint
  readonly epoch: number
  readonly firstSequence: number
  readonly isTransactional: boolean
  /** Absent: none. */
  readonly compression?: Compression | undefined
}

export const BATCH_HEADER_BYTES = 61

/** Length, attributes, timestamp, offset, two lengths and the header count at their widest. */
const RECORD_OVERHEAD_BYTES = 5 + 1 + 9 + 5 + 5 + 5 + 5

const MAGIC = 2
const TRANSACTIONAL = 0x10

const utf8Bytes = (value: HeaderValue): number =>
  typeof value === 'string' ? Buffer.byteLength(value) : value.length

/** Appends the lengths of one record to `lengths` and returns the bytes that it takes at most. */
export function measure(record: OutRecord, lengths: number[]): number {
  const key = record.key === null ? -1 : utf8Bytes(record.key)
  const value = record.value === null ? -1 : utf8Bytes(record.value)
  const headers = record.headers === undefined ? 0 : headersBytes(record.headers)
  lengths.push(key, value, headers)
  return RECORD_OVERHEAD_BYTES + Math.max(key, 0) + Math.max(value, 0) + headers
}

/**
 * Writes the batch at `at` and returns where it ends. `out` must have room for the header and what
 * `measure` summed up.
 */
export function putRecordBatch(out: Buffer, at: number, batch: RecordBatch, origin: BatchOrigin): number {
  const { records, lengths, firstTimestamp } = batch
  let end = at + BATCH_HEADER_BYTES
  for (let i = 0; i < records.length; i += 1) {
    const record = records[i]
    if (record !== undefined) end = putRecord(out, end, record, i, firstTimestamp, lengths)
  }
  const { compression = 'none' } = origin
  const packed = compressed(out.subarray(at + BATCH_HEADER_BYTES, end), compression)
  if (packed !== undefined) end = at + BATCH_HEADER_BYTES + packed.copy(out, at + BATCH_HEADER_BYTES)
  const codec = packed === undefined ? 0 : CODEC_NUMBER[compression]
  putHeader(out, at, end, batch, origin, codec)
  return end
}

function putHeader(
  out: Buffer,
  at: number,
  end: number,
  batch: RecordBatch,
  origin: BatchOrigin,
  codec: number,
): void {
  const { length } = batch.records
  out.fill(0, at, at + 8)
  out.writeInt32BE(end - at - 12, at + 8)
  out.writeInt32BE(0, at + 12)
  out[at + 16] = MAGIC
  out.writeInt16BE(codec | (origin.isTransactional ? TRANSACTIONAL : 0), at + 21)
  out.writeInt32BE(length - 1, at + 23)
  out.writeBigInt64BE(BigInt(batch.firstTimestamp), at + 27)
  out.writeBigInt64BE(BigInt(batch.maxTimestamp), at + 35)
  out.writeBigInt64BE(origin.producerId, at + 43)
  out.writeInt16BE(origin.epoch, at + 51)
  out.writeInt32BE(origin.firstSequence, at + 53)
  out.writeInt32BE(length, at + 57)
  out.writeUInt32BE(crc32c(out, at + 21, end), at + 17)
}

function putRecord(
  out: Buffer,
  at: number,
  record: OutRecord,
  index: number,
  firstTimestamp: number,
  lengths: readonly number[],
): number {
  const keyBytes = lengths[3 * index] ?? 0
  const valueBytes = lengths[3 * index + 1] ?? 0
  const headerBytes = lengths[3 * index + 2] ?? 0
  const headers = headerBytes === 0 ? [] : flatHeaders(record.headers ?? {})
  const age = record.timestamp - firstTimestamp
  const fixed = 1 + varlongBytes(age) + varintBytes(index) + varintBytes(keyBytes) + varintBytes(valueBytes)
  const content = Math.max(keyBytes, 0) + Math.max(valueBytes, 0) + headerBytes
  let end = putVarint(out, at, fixed + content + varintBytes(headers.length))
  out[end] = 0
  end = putVarint(out, putVarlong(out, end + 1, age), index)
  end = putBytes(out, end, record.key, keyBytes)
  end = putBytes(out, end, record.value, valueBytes)
  end = putVarint(out, end, headers.length)
  for (const [name, value] of headers) {
    end = putBytes(out, end, name, Buffer.byteLength(name))
    end = putBytes(out, end, value, utf8Bytes(value))
  }
  return end
}

const SHORT = 24

/**
 * The length and the bytes. Text that is as long as its bytes is ASCII, for which there are two
 * shorter ways.
 */
function putBytes(out: Buffer, at: number, value: HeaderValue | null, bytes: number): number {
  const start = putVarint(out, at, bytes)
  if (value === null) return start
  if (typeof value !== 'string') out.set(value, start)
  else if (value.length !== bytes) out.write(value, start, bytes, 'utf8')
  else if (bytes > SHORT) out.write(value, start, bytes, 'latin1')
  else for (let i = 0; i < bytes; i += 1) out[start + i] = value.charCodeAt(i)
  return start + bytes
}

/** Repeated headers stand one after the other, in the order of their list. */
function flatHeaders(headers: Headers): [string, HeaderValue][] {
  const flat: [string, HeaderValue][] = []
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string' || Buffer.isBuffer(value)) flat.push([name, value])
    else for (const one of value) flat.push([name, one])
  }
  return flat
}

function headersBytes(headers: Headers): number {
  let bytes = 0
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined) continue
    if (typeof value === 'string' || Buffer.isBuffer(value)) bytes += headerBytes(name, value)
    else for (const one of value) bytes += headerBytes(name, one)
  }
  return bytes
}

function headerBytes(name: string, value: HeaderValue): number {
  const nameBytes = Buffer.byteLength(name)
  const valueBytes = utf8Bytes(value)
  return varintBytes(nameBytes) + nameBytes + varintBytes(valueBytes) + valueBytes
}
