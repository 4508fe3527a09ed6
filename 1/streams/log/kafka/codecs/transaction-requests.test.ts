import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import { turnsDuring } from '../../../platform/testing/turns.suite.ts'
import { planInSlices, planRounds } from '../writing/batches.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { decodeRecords } from './record-batch-decoder.ts'
import { produceRequest } from './produce-request.ts'
import { addPartitionsRequest, endTxnRequest, txnOffsetCommitRequest } from './transaction-requests.ts'

const BY = { transactionalId: 'id', producerId: 5n, epoch: 3 }
const AT = { topic: 't', partition: 3 }

function partsAnswer(codes: readonly number[]): Buffer {
  const out = new ByteWriter().int32(0).int32(1).string('t').int32(codes.length)
  for (const code of codes) out.int32(0).int16(code)
  return out.buffer
}

const codeOf = (codes: readonly number[]): number =>
  addPartitionsRequest(BY, new Map()).decode(new ByteReader(partsAnswer(codes))).errorCode

function readProduce12(bytes: Buffer): Buffer {
  const reader = new ByteReader(bytes)
  reader.skipTags()
  expect(reader.compactString()).toBe('id')
  reader.skip(6)
  expect(reader.uvarint()).toBe(2)
  expect(reader.compactString()).toBe('t')
  expect(reader.uvarint()).toBe(2)
  expect(reader.int32()).toBe(3)
  const size = reader.uvarint() - 1
  const batch = bytes.subarray(reader.at, reader.at + size)
  // Topic, partition and request end without tags, and then there is nothing more.
  expect([...bytes.subarray(reader.at + size)]).toEqual([0, 0, 0])
  return batch
}

describe('many large records', () => {
  const value = 'x'.repeat(2_000)
  const records = Array.from({ length: 5_000 }, (_, n) => ({
    topic: 't',
    partition: n % 8,
    key: 'k',
    value,
    timestamp: 1,
  }))

  it('are planned as a few are, with the event loop let in between', async () => {
    const { result, turns } = await turnsDuring(() => planInSlices(records))
    expect(result).toEqual(planRounds(records))
    expect(turns).toBeGreaterThanOrEqual(10)
  })

  it.each([1, 2] as const)(
    'are encoded in protocol %s with the event loop let in between',
    async (protocol) => {
      const [round = []] = planRounds(records)
      const sequences = round.map(() => 0)
      const { turns } = await turnsDuring(async () =>
        produceRequest(round, { ...BY, protocol }, sequences).encode(),
      )
      expect(turns).toBeGreaterThanOrEqual(round.length / 2)
    },
  )
})

describe('Produce v12', () => {
  it('carries the same batch as v7, whatever its size takes to write', async () => {
    const sizes = [fc.integer({ min: 0, max: 40_000 }), fc.integer({ min: 1, max: 5 })] as const
    await fc.assert(
      fc.asyncProperty(...sizes, async (bytes, count) => {
        const value = 'x'.repeat(bytes)
        const records = Array.from({ length: count }, () => ({ ...AT, key: 'k', value, timestamp: 1 }))
        const [round = []] = planRounds(records)
        const v12 = (await produceRequest(round, { ...BY, protocol: 2 }, [0]).encode()).buffer
        const v7 = (await produceRequest(round, BY, [0]).encode()).buffer
        const batch = readProduce12(v12)
        expect(batch.equals(v7.subarray(v7.length - batch.length))).toBe(true)
        const { records: read } = decodeRecords(AT, batch, 0, [])
        expect(read.map((one) => String(one.value))).toEqual(records.map((one) => one.value))
      }),
      // Around the sizes at which the length takes another byte.
      {
        examples: [
          [40, 1],
          [50, 1],
          [60, 1],
          [16_300, 1],
          [16_310, 1],
          [16_320, 1],
        ],
      },
    )
  })
})

describe('answers', () => {
  it('blame the partition that is to blame, not those that were left out because of it', () => {
    expect(codeOf([0, 0])).toBe(0)
    expect(codeOf([55, 29, 0])).toBe(29)
    expect(codeOf([0, 55])).toBe(55)
  })

  it('name the next epoch at the end of a transaction in protocol 2, and none in protocol 1', () => {
    const v5 = new ByteWriter().noTags().int32(0).int16(0).int64(5n).int16(4).noTags().buffer
    expect(endTxnRequest(BY, true, 2).decode(new ByteReader(v5)).next).toEqual({ producerId: 5n, epoch: 4 })
    const v1 = new ByteWriter().int32(0).int16(0).buffer
    expect(endTxnRequest(BY, true, 1).decode(new ByteReader(v1)).next).toBeUndefined()
  })

  it('of moved cursors are read to the first code, in both protocols', () => {
    const move = { group: 'g', member: undefined, topics: [] }
    const v5 = new ByteWriter().noTags().int32(0).uvarint(2).compactString('t').uvarint(3)
    v5.int32(0).int16(0).noTags().int32(1).int16(12).noTags().noTags().noTags()
    expect(txnOffsetCommitRequest(BY, move, 2).decode(new ByteReader(v5.buffer)).errorCode).toBe(12)
    expect(txnOffsetCommitRequest(BY, move, 1).decode(new ByteReader(v5.buffer)).errorCode).toBe(12)
  })
})
