import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { HeaderValue, OutRecord } from '../../port.ts'
import { planRounds } from '../writing/batches.ts'
import { crc32c } from './crc32c.ts'
import { UnreadableBatch, decodeRecords } from './record-batch-decoder.ts'
import { UNPACKED_BYTES_MAX } from './packing/unpacked.ts'
import { putRecordBatch } from './record-batch-encoder.ts'
import type { BatchOrigin } from './record-batch-encoder.ts'

interface Encoder {
  readonly buffer: Buffer
}

interface KafkajsRecord {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: object
}

const codec = <T>(path: string) => vi.importActual<T>(`kafkajs/src/protocol/${path}`)

/** kafkajs's own codecs, as the oracle. */
const kafkajs = {
  record: (await codec<{ default: (record: object) => Encoder }>('recordBatch/record/v0/index.js')).default,
  batch: (
    await codec<{ default: { RecordBatch(batch: object): Promise<Encoder> } }>('recordBatch/v0/index.js')
  ).default,
  decode: (
    await codec<{ default: (decoder: object) => Promise<{ records: KafkajsRecord[] }> }>(
      'recordBatch/v0/decoder.js',
    )
  ).default,
  Decoder: (await codec<{ default: new (bytes: Buffer) => object }>('decoder.js')).default,
}

const AT = { topic: 't', partition: 3 }
const NOBODY: BatchOrigin = { producerId: -1n, epoch: -1, firstSequence: -1, isTransactional: false }

function encode(records: readonly OutRecord[], origin: BatchOrigin = NOBODY): Buffer {
  const [batch] = planRounds(records)[0] ?? []
  if (batch === undefined) throw new Error('nothing to encode')
  const out = Buffer.alloc(batch.bytesMax + 7)
  return out.subarray(7, putRecordBatch(out, 7, batch, origin))
}

async function encodeByKafkajs(records: readonly OutRecord[], origin: BatchOrigin): Promise<Buffer> {
  const times = records.map(({ timestamp }) => timestamp)
  const firstTimestamp = Math.min(...times)
  const encoded = records.map(({ key, value, headers, timestamp }, offsetDelta) =>
    kafkajs.record({ key, value, headers, offsetDelta, timestampDelta: timestamp - firstTimestamp }),
  )
  const batch = await kafkajs.batch.RecordBatch({
    records: encoded,
    firstTimestamp,
    maxTimestamp: Math.max(...times),
    lastOffsetDelta: records.length - 1,
    producerId: origin.producerId.toString(),
    producerEpoch: origin.epoch,
    firstSequence: origin.firstSequence,
    transactional: origin.isTransactional,
  })
  return batch.buffer
}

const bytes = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
)
const headers = fc.dictionary(
  fc.string({ maxLength: 10 }),
  fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 3 })),
  { maxKeys: 4 },
)
const record: fc.Arbitrary<OutRecord> = fc.record({
  topic: fc.constant(AT.topic),
  partition: fc.constant(AT.partition),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers,
  timestamp: fc.oneof(fc.nat(), fc.integer({ min: 1_500_000_000_000, max: 2_500_000_000_000 })),
})
const origin: fc.Arbitrary<BatchOrigin> = fc.record({
  producerId: fc.bigInt({ min: 0n, max: 2n ** 53n }),
  epoch: fc.nat({ max: 32_767 }),
  firstSequence: fc.nat({ max: 2 ** 31 - 1 }),
  isTransactional: fc.boolean(),
})

const asBuffer = (value: HeaderValue): Buffer => (typeof value === 'string' ? Buffer.from(value) : value)

function asRead({ key, value, headers: named = {}, timestamp }: OutRecord, offset: number): object {
  const read = Object.entries(named).map(([name, one]): [string, Buffer | Buffer[]] => [
    name,
    typeof one === 'string' || Buffer.isBuffer(one) ? asBuffer(one) : one.map(asBuffer),
  ])
  return {
    ...AT,
    offset,
    timestamp,
    key: key === null ? null : asBuffer(key),
    value: value === null ? null : asBuffer(value),
    headers: Object.fromEntries<Buffer | Buffer[]>(read),
  }
}

describe('a record batch', () => {
  it('is byte for byte what kafkajs encodes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), origin, async (records, from) => {
        expect(encode(records, from).equals(await encodeByKafkajs(records, from))).toBe(true)
      }),
    )
  })

  it('is decoded by kafkajs to what was written', async () => {
    const written: OutRecord[] = [
      { ...AT, key: 'k', value: 'v', timestamp: 1_700_000_000_000, headers: { a: 'x', b: ['1', '2'] } },
      { ...AT, key: null, value: null, timestamp: 1_700_000_000_500 },
    ]
    const { records } = await kafkajs.decode(new kafkajs.Decoder(encode(written)))
    expect(records).toMatchObject([
      { offset: '0', timestamp: '1700000000000', key: Buffer.from('k'), value: Buffer.from('v') },
      { offset: '1', timestamp: '1700000000500', key: null, value: null, headers: {} },
    ])
    expect(records[0]?.headers).toEqual({ a: Buffer.from('x'), b: [Buffer.from('1'), Buffer.from('2')] })
  })

  it('fault R4: is packed when that was asked for and saves bytes', () => {
    const large = { ...AT, key: null, value: 'abc '.repeat(1_000), timestamp: 1_700_000_000_000 }
    expect(encode([large], { ...NOBODY, compression: 'lz4' }).length).toBeLessThan(300)
    const small = [{ ...large, value: 'aaaaaaaaaaaaaaaaaaaaaaaa' }]
    expect(encode(small, { ...NOBODY, compression: 'lz4' })).toEqual(encode(small))
  })

  it.each(['none', 'lz4'] as const)('reads back as it was written, packed with %s', (compression) => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (written) => {
        const { records, next } = decodeRecords(AT, encode(written, { ...NOBODY, compression }), 0, [])
        expect(records).toEqual(written.map(asRead))
        expect(next).toBe(written.length)
      }),
    )
  })

  it('reads from the middle, because brokers answer with whole batches', () => {
    const written = Array.from({ length: 5 }, (_, i) => ({ ...AT, key: `${i}`, value: null, timestamp: i }))
    const { records, next } = decodeRecords(AT, encode(written), 3, [])
    expect(records.map(({ offset }) => offset)).toEqual([3, 4])
    expect(next).toBe(5)
  })

  it('leaves a batch that was cut off for the next fetch', () => {
    const one = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }])
    const { records, next } = decodeRecords(AT, Buffer.concat([one, one.subarray(0, 66)]), 0, [])
    expect(records).toHaveLength(1)
    expect(next).toBe(1)
    expect(decodeRecords(AT, one.subarray(0, 40), 0, [])).toMatchObject({ records: [], next: 0 })
  })

  it('reads past a batch whose records a compaction has removed', () => {
    const hollow = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }]).subarray(0, 61)
    hollow.writeInt32BE(61 - 12, 8)
    hollow.writeInt32BE(9, 23)
    hollow.writeInt32BE(0, 57)
    expect(decodeRecords(AT, seal(hollow), 4, [])).toMatchObject({ records: [], next: 10 })
  })

  it('takes the time of the broker where the topic says so', () => {
    const batch = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }])
    batch.writeInt16BE(0x08, 21)
    batch.writeBigInt64BE(77n, 35)
    expect(decodeRecords(AT, seal(batch), 0, []).records[0]?.timestamp).toBe(77)
  })

  it('fault R4: refuses a batch that unpacks to more than the limit', () => {
    const packed = pack(gzipSync(Buffer.alloc(UNPACKED_BYTES_MAX + 1)), 1)
    expect(() => decodeRecords(AT, packed, 0, [])).toThrow(
      't:3: the batch at 0 cannot be read: it does not unpack with gzip',
    )
  })

  it('fault R4: names a codec that is not known', () => {
    expect(() => decodeRecords(AT, pack(Buffer.alloc(9), 6), 0, [])).toThrow(
      't:3: the batch at 0 cannot be read: it is packed with codec 6, which is not known here',
    )
  })

  it('fault R4: refuses a batch that fails its checksum', () => {
    const batch = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }])
    batch[65] = (batch[65] ?? 0) ^ 1
    expect(() => decodeRecords(AT, batch, 0, [])).toThrow(
      new UnreadableBatch('damaged', 't:3: the batch at 0 fails its checksum'),
    )
  })

  it('fault R4: gives what stands before a batch that cannot be read, and goes on there', () => {
    const one = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }])
    const next = Buffer.from(one)
    next.writeBigInt64BE(1n, 0)
    next[65] = (next[65] ?? 0) ^ 1
    const read = decodeRecords(AT, Buffer.concat([one, next]), 0, [])
    expect(read.records.map(({ offset }) => offset)).toEqual([0])
    expect(read.next).toBe(1)
    expect(() => decodeRecords(AT, next, 1, [])).toThrow('the batch at 1 fails its checksum')
  })

  it('fault R4: ends with a sentence whatever bytes stand under a checksum that is right', () => {
    const plain = encode([{ ...AT, key: 'a', value: 'b'.repeat(40), timestamp: 1, headers: { h: 'x' } }])
    const change = fc.record({ at: fc.integer({ min: 8, max: plain.length - 1 }), to: fc.nat({ max: 255 }) })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const batch = Buffer.from(plain)
        for (const { at, to } of changes) batch[at] = to
        expect(['read', 'UnreadableBatch']).toContain(outcomeOf(() => decodeRecords(AT, seal(batch), 0, [])))
      }),
      { numRuns: 2_000 },
    )
  }, 60_000)

  it('says under which leader the last batch was written', () => {
    const batch = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }])
    batch.writeInt32BE(17, 12)
    expect(decodeRecords(AT, batch, 0, []).epoch).toBe(17)
    expect(decodeRecords(AT, Buffer.alloc(0), 0, []).epoch).toBe(-1)
  })

  it('keeps a header called __proto__ a header', () => {
    const named: Record<string, string> = {}
    Object.defineProperty(named, '__proto__', { value: 'x', enumerable: true })
    const [read] = decodeRecords(
      AT,
      encode([{ ...AT, key: null, value: null, timestamp: 0, headers: named }]),
      0,
      [],
    ).records
    expect(Object.entries(read?.headers ?? {})).toEqual([['__proto__', Buffer.from('x')]])
  })
})

/** The name of what was thrown. */
function outcomeOf(read: () => unknown): string {
  try {
    read()
    return 'read'
  } catch (error) {
    return error instanceof UnreadableBatch ? 'UnreadableBatch' : String(error)
  }
}

/** A batch of one record with other bytes in it, which are said to be packed with a codec. */
function pack(body: Buffer, codec: number): Buffer {
  const plain = encode([{ ...AT, key: 'a', value: 'b', timestamp: 1 }])
  const packed = Buffer.concat([plain.subarray(0, 61), body])
  packed.writeInt32BE(packed.length - 12, 8)
  packed.writeInt16BE(codec, 21)
  return seal(packed)
}

function seal(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}

describe('crc32c', () => {
  it('gives the check value of the catalogue at every alignment', () => {
    for (let pad = 0; pad < 9; pad += 1) {
      const bytesAt = Buffer.concat([Buffer.alloc(pad), Buffer.from('123456789')])
      expect(crc32c(bytesAt, pad, bytesAt.length)).toBe(0xe3069283)
    }
    expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(0), 0, 0)).toBe(0)
  })
})
