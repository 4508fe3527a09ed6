import { describe, expect, it } from 'vitest'
import { memoryLog } from '../memory.ts'
import { partitionKey } from '../port.ts'
import type { MemoryFaults } from './faults.ts'
import { shuffledScheduler } from './shuffled-scheduler.ts'
import {
  batch,
  FIRST,
  join,
  quiet,
  readAll,
  SECOND,
  seeded,
  TOPIC,
  withTopic,
  word,
  words,
} from './testing/world.suite.ts'

function refuse(): never {
  throw new RangeError('no cursors')
}

describe('retention and compaction', () => {
  it('tells a topic from an earlier one of its name', async () => {
    const log = await withTopic(memoryLog())
    const idOf = async () => (await log.admin.bounds([FIRST])).get(partitionKey(FIRST))?.topicId
    const before = await idOf()
    await log.admin.deleteTopics([FIRST.topic])
    await log.admin.ensureTopics([{ name: FIRST.topic, partitions: 1, replicas: 1, config: {} }])
    expect(await idOf()).not.toBe(before)
  })

  it('trims below an offset, never above the last stable one, and readers go on at the first retained record', async () => {
    const log = await withTopic(memoryLog())
    await log.writer().write(['a', 'b', 'c'].map((value) => word(value)))
    log.begin('open').write([word('d')])
    log.trim(FIRST, 2)
    expect(words(await readAll(log, 0))).toEqual(['c'])
    expect((await log.admin.bounds([FIRST])).get(partitionKey(FIRST))).toMatchObject({ start: 2, end: 3 })
    log.trim(FIRST, 99)
    expect((await log.admin.bounds([FIRST])).get(partitionKey(FIRST))).toMatchObject({ start: 3, end: 3 })
    const late = await join(log)
    await log.writer().write([word('e', SECOND)])
    await quiet()
    expect(late.deliveries).toEqual([[], ['e']])
  })

  it('keeps the newest committed value of each key, drops tombstones and the aborted, and leaves gaps', async () => {
    const log = await withTopic(memoryLog(), { 'cleanup.policy': 'compact' })
    await log.writer().write([word('a1', FIRST, 'a'), word('b1', FIRST, 'b'), word('a2', FIRST, 'a')])
    const aborted = log.begin('aborted')
    aborted.write([word('b2', FIRST, 'b')])
    aborted.abort()
    await quiet()
    await log.writer().write([word('c1', FIRST, 'c'), word(null, FIRST, 'c')])
    const open = log.begin('open')
    open.write([word('b3', FIRST, 'b')])
    log.compact(TOPIC)
    const records = await readAll(log)
    expect(records.map(({ offset, value }) => [offset, String(value)])).toEqual([
      [1, 'b1'],
      [2, 'a2'],
    ])
    expect((await log.admin.bounds([FIRST])).get(partitionKey(FIRST))).toMatchObject({ start: 0, end: 7 })
    expect(words(await readAll(log, 2))).toEqual(['a2'])
    open.commit()
    await quiet()
    log.compact(TOPIC)
    expect(words(await readAll(log))).toEqual(['a2', 'b3'])
  })

  it('takes no record without a key into a compacted topic, and compacts no other', async () => {
    const compacted = await withTopic(memoryLog(), { 'cleanup.policy': 'compact,delete' })
    const writing = compacted.writer().write([word('a'), word('b', FIRST, null)])
    await expect(writing).rejects.toMatchObject({ code: 'fatal' })
    expect(compacted.dump(TOPIC)).toEqual([])
    const plain = await withTopic(memoryLog())
    expect(() => plain.compact(TOPIC)).toThrow(TypeError)
  })
})

describe('delivery', () => {
  it('comes in bounded batches, which a pause in between stops', async () => {
    const log = await withTopic(memoryLog({ deliverMax: 2 }))
    await log.writer().write(['a', 'b', 'c', 'd', 'e'].map((value) => word(value)))
    const { consumer, deliveries } = await join(log)
    await quiet()
    expect(deliveries).toEqual([['a', 'b'], ['c', 'd'], ['e']])
    const calls: string[][] = []
    const careful = log.consumer({
      group: 'careful',
      topics: [TOPIC],
      onAssigned: (held) => {
        for (const at of held) careful.seek(at, 0)
        careful.resume(held)
      },
      onRecords: (at, records) => {
        calls.push(words(records))
        careful.pause([at])
      },
      onFailed: () => undefined,
    })
    await careful.start()
    await quiet()
    expect(calls).toEqual([['a', 'b']])
    careful.resume([FIRST])
    await quiet()
    expect(calls).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    await consumer.stop()
  })

  it('stops for a pause that comes when it is already on its way', async () => {
    const faults: MemoryFaults = {}
    const log = await withTopic(memoryLog({ faults }))
    const { consumer, deliveries } = await join(log)
    faults.deliver = () => {
      consumer.pause([FIRST])
      return true
    }
    await log.writer().write([word('a')])
    await quiet()
    expect(deliveries).toEqual([])
    delete faults.deliver
    consumer.resume([FIRST])
    await quiet()
    expect(deliveries).toEqual([['a']])
  })

  it('fails loudly for a position that the partition never had', async () => {
    const log = await withTopic(memoryLog())
    const { stops } = await join(log, 10)
    await quiet()
    expect(stops).toMatchObject([{ code: 'fatal' }, { code: 'fatal' }])
    await expect(readAll(log, 10)).rejects.toMatchObject({ code: 'fatal' })
  })
})

describe('a handle', () => {
  it('refuses a transaction before the first fence, two at a time, and anything once closed', async () => {
    const log = await withTopic(memoryLog())
    const transactions = log.transactions({ transactionalId: 'id', timeoutMs: 1_000 })
    await expect(transactions.commit(batch('a', 1))).rejects.toMatchObject({ code: 'fatal' })
    await transactions.fence()
    const first = transactions.commit(batch('a', 1))
    await expect(transactions.commit(batch('b', 2))).rejects.toMatchObject({ code: 'fatal' })
    await first
    await transactions.close()
    await expect(transactions.commit(batch('c', 3))).rejects.toMatchObject({ code: 'fatal' })
    const member = await join(log)
    await log.close()
    await expect(log.writer().write([word('d')])).rejects.toMatchObject({ code: 'fatal' })
    await expect(member.consumer.commit([])).rejects.toMatchObject({ code: 'fenced' })
    expect(words(log.dump(TOPIC))).toEqual(['a'])
  })

  it('leaves nothing open when the caller or the broker refuses the cursors', async () => {
    const log = await withTopic(memoryLog())
    const transactions = log.transactions({ transactionalId: 'id', timeoutMs: 1_000 })
    await transactions.fence()
    await expect(
      transactions.commit({ ...batch('a', 1), moves: [{ group: 'group', cursors: refuse }] }),
    ).rejects.toThrow(RangeError)
    expect(log.openTransactions()).toEqual([])
    const metadata = 'm'.repeat(4_097)
    const refused = transactions.commit({
      ...batch('b', 1),
      moves: [{ group: 'group', cursors: () => [{ ...FIRST, next: 1, metadata }] }],
    })
    await expect(refused).rejects.toMatchObject({ code: 'fatal' })
    expect(log.openTransactions()).toEqual([])
    await transactions.commit(batch('c', 1))
    expect(words(log.dump(TOPIC))).toEqual(['c'])
  })

  it('keeps the order of its own requests, whatever the order of turns', async () => {
    const scheduler = shuffledScheduler(seeded(7))
    const log = memoryLog({ schedule: scheduler.schedule })
    const ensured = withTopic(log)
    await scheduler.drain()
    await ensured
    const writer = log.writer()
    const values = Array.from({ length: 20 }, (_, i) => `${i}`)
    const writing = Promise.all(values.map((value) => writer.write([word(value)])))
    await scheduler.drain()
    await writing
    expect(words(log.dump(TOPIC))).toEqual(values)
  })

  it('keeps what was written when the writer reuses its buffer', async () => {
    const log = await withTopic(memoryLog())
    const value = Buffer.from('before')
    await log.writer().write([{ ...FIRST, key: null, value, timestamp: 1 }])
    value.fill('x')
    expect(words(await readAll(log))).toEqual(['before'])
  })
})
