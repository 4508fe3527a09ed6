import { describe, expect, it } from 'vitest'
import { crc32c } from './crc32c.ts'
import { planRounds } from '../writing/batches.ts'
import type { AbortedTransaction } from './read-committed.ts'
import { decodeRecords } from './record-batch-decoder.ts'
import { putRecordBatch } from './record-batch-encoder.ts'

const AT = { topic: 't', partition: 0 }
const PRODUCER = { A: 1, B: 2 } as const
type Producer = keyof typeof PRODUCER

/** One record of an open transaction, as it stands in the log. */
function data(offset: number, producer: Producer, key = 'k'): Buffer {
  return batch(offset, producer, key, 0x10)
}

/**
 * The marker that ends a transaction: a control batch with a key of version 0 and type 0 (abort) or
 * 1 (commit).
 */
function marker(offset: number, producer: Producer, type: 'abort' | 'commit'): Buffer {
  return batch(offset, producer, Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]), 0x30)
}

function batch(offset: number, producer: Producer, key: string | Buffer, attributes: number): Buffer {
  const [one] = planRounds([{ ...AT, key, value: 'v', timestamp: 0 }])[0] ?? []
  if (one === undefined) throw new Error('one record makes one batch')
  const out = Buffer.alloc(one.bytesMax)
  const producerId = BigInt(PRODUCER[producer])
  const end = putRecordBatch(out, 0, one, { producerId, epoch: 0, firstSequence: 0, isTransactional: true })
  const bytes = out.subarray(0, end)
  bytes.writeBigInt64BE(BigInt(offset), 0)
  bytes.writeInt16BE(attributes, 21)
  bytes.writeUInt32BE(crc32c(bytes, 21, end), 17)
  return bytes
}

const aborted = (producer: Producer, firstOffset: number): AbortedTransaction => ({
  producerId: PRODUCER[producer],
  firstOffset,
})

/** Offsets that a reader sees, and where it goes on. */
function read(from: number, log: readonly Buffer[], list: readonly AbortedTransaction[]): [number[], number] {
  const { records, next } = decodeRecords(AT, Buffer.concat(log), from, list)
  return [records.map(({ offset }) => offset), next]
}

describe('read committed', () => {
  it('hides both of two aborted transactions, one within the other', () => {
    const log = [
      data(10, 'A'),
      data(11, 'A'),
      data(12, 'B'),
      data(13, 'B'),
      marker(15, 'B', 'abort'),
      data(16, 'A'),
      marker(20, 'A', 'abort'),
    ]
    expect(read(10, log, [aborted('B', 12), aborted('A', 10)])).toEqual([[], 21])
  })

  it('hides aborted transactions that began before the fetch', () => {
    const log = [data(11, 'B'), data(12, 'B'), marker(13, 'A', 'abort'), marker(14, 'B', 'abort')]
    expect(read(11, log, [aborted('A', 10), aborted('B', 11)])).toEqual([[], 15])
  })

  it('does not take a key of four zero bytes for the end of a transaction', () => {
    const log = [data(10, 'A', '\0\0\0\0'), data(11, 'A'), marker(12, 'A', 'abort')]
    expect(read(10, log, [aborted('A', 10)])).toEqual([[], 13])
  })

  it('shows what the same producer committed before and after', () => {
    const log = [
      data(1, 'A'),
      marker(2, 'A', 'commit'),
      data(3, 'A'),
      marker(4, 'A', 'abort'),
      data(5, 'A'),
      marker(6, 'A', 'commit'),
    ]
    expect(read(1, log, [aborted('A', 3)])).toEqual([[1, 5], 7])
  })

  it('shows the committed one of two that overlap', () => {
    const log = [data(1, 'A'), data(2, 'B'), marker(3, 'A', 'abort'), data(4, 'B'), marker(5, 'B', 'commit')]
    expect(read(1, log, [aborted('A', 1)])).toEqual([[2, 4], 6])
  })

  it('goes past a tail of markers', () => {
    expect(read(7, [marker(7, 'A', 'commit'), marker(8, 'B', 'abort')], [])).toEqual([[], 9])
  })
})
