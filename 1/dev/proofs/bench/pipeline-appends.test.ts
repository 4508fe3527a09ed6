import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { putRecordBatch } from '../../../streams/log/kafka/codecs/record-batch-encoder.ts'
import { planRounds } from '../../../streams/log/kafka/writing/batches.ts'
import { appendsBetween, logSizes } from './pipeline-appends.ts'

const CONTROL = 0x20

/** One batch as a producer writes it; a marker differs from it in one bit. */
function batch(count: number, { control = false, key = 'k', value = Buffer.from('v') } = {}): Buffer {
  const records = Array.from({ length: count }, () => ({
    topic: 't',
    partition: 0,
    key: Buffer.from(key),
    value,
    timestamp: 1,
  }))
  const [planned] = planRounds(records)[0] ?? []
  if (planned === undefined) throw new Error('nothing to encode')
  const out = Buffer.alloc(planned.bytesMax)
  const origin = { producerId: 1n, epoch: 0, firstSequence: 0, isTransactional: true }
  const end = putRecordBatch(out, 0, planned, origin)
  if (control) out.writeInt16BE(out.readInt16BE(21) | CONTROL, 21)
  return out.subarray(0, end)
}

/** A key of the coordinators: a version, then a name with its length. */
const keyOf = (version: number, name: string): string =>
  `\0${String.fromCharCode(version)}\0${String.fromCharCode(name.length)}${name}`

/** A state of a transaction as the coordinator keeps it. */
function transaction(id: string, state: number): Buffer {
  const value = Buffer.alloc(25)
  value.writeInt8(state, 16)
  return batch(1, { key: keyOf(0, id), value })
}

describe('the count of what a broker has appended', () => {
  let folder = ''
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bench-appends-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  const append = (partition: string, ...batches: readonly Buffer[]): void => {
    mkdirSync(join(folder, partition), { recursive: true })
    appendFileSync(join(folder, partition, '00000000000000000000.log'), Buffer.concat(batches))
  }
  const counted = (write: () => void) => {
    const before = logSizes([folder])
    write()
    return appendsBetween(before, logSizes([folder]))
  }

  it('counts batches, markers and records of all partitions of a topic between two instants', () => {
    append('orders-0', batch(7))
    const { byTopic } = counted(() => {
      append('orders-0', batch(3), batch(1, { control: true }))
      append('orders-1', batch(2))
    })
    const bytes = batch(3).length + batch(1).length + batch(2).length
    expect([...byTopic]).toEqual([['orders', { batches: 2, markers: 1, records: 5, bytes }]])
  })

  it('counts a batch where its last byte was written, though the first instant cut through it', () => {
    const whole = batch(3)
    append('orders-0', whole.subarray(0, 70))
    const { byTopic } = counted(() => append('orders-0', whole.subarray(70), batch(1).subarray(0, 65)))
    expect(byTopic.get('orders')).toEqual({ batches: 1, markers: 0, records: 3, bytes: whole.length })
  })

  it('refuses a broker whose log is elsewhere, instead of counting nothing', () => {
    expect(() => logSizes([join(folder, 'elsewhere')])).toThrow('not on this machine')
  })

  it("leaves the controller's own log out", () => {
    expect(counted(() => append('__cluster_metadata-0', batch(1))).byTopic).toEqual(new Map())
  })

  it('counts a transaction by its id when it has been committed, and no other state of it', () => {
    const [ongoing, prepareCommit, committed, aborted] = [1, 2, 4, 5]
    append('__transaction_state-0', transaction('a', committed))
    const { transactions } = counted(() => {
      append('__transaction_state-0', transaction('a', ongoing), transaction('a', prepareCommit))
      append('__transaction_state-0', transaction('a', committed), transaction('b', aborted))
      append('__transaction_state-1', transaction('a', committed), transaction('c', committed))
    })
    expect(Object.fromEntries(transactions)).toEqual({ a: 2, c: 1 })
  })

  it('counts a cursor by its group, and what the coordinator keeps of members for none', () => {
    const [cursor, member] = [1, 2]
    const { cursors } = counted(() => {
      append('__consumer_offsets-0', batch(2, { key: `${keyOf(cursor, 'a')}topic` }))
      append('__consumer_offsets-1', batch(1, { key: keyOf(member, 'a') }))
    })
    expect(Object.fromEntries(cursors)).toEqual({ a: 2 })
  })
})
