import { describe, expect, it } from 'vitest'
import { memoryLog } from '../memory.ts'
import { partitionKey } from '../port.ts'
import type { MemoryFaults } from './faults.ts'
import { FIRST, join, quiet, readAll, SECOND, TOPIC, withTopic, word, words } from './testing/world.suite.ts'

const ID = { transactionalId: 'id', timeoutMs: 1_000 }
const once = (): (() => boolean) => {
  let asked = 0
  return () => (asked += 1) === 1
}

/** Everything that is to come later waits here until the test calls for it. */
async function world(config: Readonly<Record<string, string>> = {}) {
  const faults: MemoryFaults = {}
  const late: (() => void)[] = []
  let catching = false
  const schedule = (task: () => void): void => {
    if (catching) late.push(task)
    else queueMicrotask(task)
    catching = false
  }
  const log = await withTopic(memoryLog({ faults, schedule }), config)
  const transactions = log.transactions(ID)
  await transactions.fence()
  /** The next thing that is scheduled after the fault is the late one. */
  const later = (): (() => boolean) => {
    const isFirst = once()
    return () => isFirst() && (catching = true)
  }
  return { log, faults, transactions, later, arrive: () => late.splice(0).forEach((task) => task()) }
}

const pair = (value: string, next: number) => ({
  records: [word(value), word(value, SECOND)],
  moves: [{ group: 'group', cursors: () => [{ ...FIRST, next, metadata: '' }] }],
})

describe('a transaction that is written in parts', () => {
  it('is open between them: what has arrived is on the log, and readers wait in front of it', async () => {
    const { log, faults, transactions } = await world()
    faults.recordsInParts = once()
    const seen: unknown[] = []
    faults.recordsPartial = () => {
      seen.push(log.openTransactions())
      return false
    }
    await transactions.commit(pair('a', 1))
    expect(seen).toMatchObject([[{ transactionalId: 'id', partitions: [FIRST] }]])
    await quiet()
    expect(words(log.dump(TOPIC))).toEqual(['a', 'a'])
  })

  it('is aborted when a later part is refused, and holds readers back until then', async () => {
    const { log, faults, transactions } = await world()
    faults.recordsInParts = once()
    faults.recordsPartial = once()
    const committing = transactions.commit(pair('a', 1))
    await expect(committing).rejects.toMatchObject({ code: 'retriable' })
    await log.writer().write([word('b')])
    await quiet()
    expect(words(await readAll(log))).toEqual(['b'])
    expect((await readAll(log))[0]?.offset).toBe(2)
    await transactions.commit(pair('c', 1))
    await quiet()
    expect(words(log.dump(TOPIC))).toEqual(['b', 'c', 'c'])
  })

  it('stays open when its writer dies in the middle, until somebody fences', async () => {
    const { log, faults } = await world()
    const doomed = log.connect()
    const transactions = doomed.transactions({ ...ID, transactionalId: 'other' })
    await transactions.fence()
    faults.recordsInParts = once()
    faults.recordsPartial = () => {
      doomed.crash()
      return false
    }
    void transactions.commit(pair('lost', 1))
    await quiet()
    await log.writer().write([word('after')])
    expect(await readAll(log)).toEqual([])
    expect(log.openTransactions()).toHaveLength(1)
    await log.transactions({ ...ID, transactionalId: 'other' }).fence()
    expect(words(await readAll(log))).toEqual(['after'])
  })
})

describe('a request that arrives once more', () => {
  it('fault R5: a commit that comes again ends no transaction but its own', async () => {
    const { log, faults, transactions, later, arrive } = await world()
    faults.commitAgain = later()
    await transactions.commit(pair('a', 1))
    faults.recordsInParts = once()
    faults.recordsPartial = () => {
      arrive()
      return false
    }
    const stop = once()
    faults.beforeCommit = stop
    await expect(transactions.commit(pair('b', 2))).rejects.toMatchObject({ code: 'unknown' })
    await quiet()
    expect(log.openTransactions()).toHaveLength(1)
    expect(words(await readAll(log))).toEqual(['a'])
  })

  it('brings no record twice: the broker knows the sequence, and the epoch of another', async () => {
    const { log, faults, transactions, later, arrive } = await world()
    faults.recordsAgain = later()
    await transactions.commit(pair('a', 1))
    faults.recordsAgain = later()
    await transactions.commit(pair('b', 2))
    arrive()
    await log.transactions(ID).fence()
    arrive()
    expect(words(log.dump(TOPIC))).toEqual(['a', 'b', 'a', 'b'])
    expect(log.openTransactions()).toEqual([])
    const writer = log.writer()
    faults.writeAgain = later()
    await writer.write([word('c')])
    arrive()
    expect(words(log.dump(TOPIC)).filter((value) => value === 'c')).toEqual(['c'])
  })

  it('fences whoever holds the id, when it is a fence', async () => {
    const { log, faults, transactions, later, arrive } = await world()
    faults.fenceAgain = later()
    await log.transactions(ID).fence()
    await transactions.fence()
    arrive()
    await expect(transactions.commit(pair('a', 1))).rejects.toMatchObject({ code: 'fenced' })
  })

  it('moves a cursor back while its generation lasts', async () => {
    const { log, faults, later, arrive } = await world()
    const { consumer } = await join(log)
    await quiet()
    const cursor = async () => (await log.admin.committed('group', [FIRST])).get(partitionKey(FIRST))?.next
    faults.cursorsAgain = later()
    await consumer.commit([{ ...FIRST, next: 1, metadata: '' }])
    await consumer.commit([{ ...FIRST, next: 2, metadata: '' }])
    arrive()
    expect(await cursor()).toBe(1)
  })

  it('as a plain write is only late: its caller knows nothing, and the next one overtakes it', async () => {
    const { log, faults, later, arrive } = await world()
    const writer = log.writer()
    faults.writeLate = later()
    await expect(writer.write([word('a')])).rejects.toMatchObject({ code: 'unknown' })
    await writer.write([word('b')])
    arrive()
    expect(words(log.dump(TOPIC))).toEqual(['b', 'a'])
  })
})

describe('a partition', () => {
  it('without a leader is neither read nor written, and its members go on once it has one', async () => {
    const { log, transactions } = await world()
    const member = await join(log)
    await log.writer().write([word('a')])
    await quiet()
    log.lead(FIRST, false)
    await expect(log.writer().write([word('b')])).rejects.toMatchObject({ code: 'retriable' })
    await expect(transactions.commit(pair('c', 1))).rejects.toMatchObject({ code: 'retriable' })
    await expect(readAll(log)).rejects.toMatchObject({ code: 'retriable' })
    await expect(log.admin.bounds([FIRST])).rejects.toMatchObject({ code: 'retriable' })
    await log.writer().write([word('other', SECOND)])
    await quiet()
    expect(member.deliveries.flat()).toEqual(['a', 'other'])
    log.lead(FIRST, true)
    await log.writer().write([word('d')])
    await quiet()
    expect(member.deliveries.flat()).toEqual(['a', 'other', 'd'])
  })

  it('takes no record over its limit, and nothing of a write that holds one', async () => {
    const { log, transactions } = await world({ 'max.message.bytes': '500' })
    const large = word('x'.repeat(600))
    await expect(log.writer().write([word('a'), large])).rejects.toMatchObject({ code: 'fatal' })
    await expect(transactions.commit({ ...pair('b', 1), records: [large] })).rejects.toMatchObject({
      code: 'fatal',
    })
    expect(log.dump(TOPIC)).toEqual([])
  })

  it('that is truncated gives its offsets again, and tells a reader from beyond its end', async () => {
    const { log } = await world()
    const member = await join(log)
    await log.writer().write([word('a'), word('b'), word('c')])
    await quiet()
    expect(words(log.truncate(FIRST, 1)())).toEqual(['b', 'c'])
    await quiet()
    expect(member.stops).toMatchObject([{ code: 'fatal' }])
    await expect(readAll(log, 3)).rejects.toMatchObject({ code: 'fatal' })
    await log.writer().write([word('d'), word('other', SECOND)])
    await quiet()
    expect(member.deliveries.flat()).toEqual(['a', 'b', 'c', 'other'])
    member.consumer.seek(FIRST, 1)
    await quiet()
    expect(member.deliveries.flat().at(-1)).toBe('d')
    expect((await readAll(log)).map(({ offset, value }) => [offset, String(value)])).toEqual([
      [0, 'a'],
      [1, 'd'],
    ])
  })

  it('that was truncated and has grown again is not read on as if nothing had been', async () => {
    const { log } = await world()
    const member = await join(log)
    await log.writer().write([word('a'), word('b')])
    await quiet()
    log.truncate(FIRST, 1)
    await log.writer().write([word('c'), word('d')])
    await quiet()
    expect(member.deliveries.flat()).toEqual(['a', 'b'])
    expect(member.stops).toHaveLength(1)
  })

  it('has lost with a truncation what a transaction commits only afterwards', async () => {
    const { log } = await world()
    const held = log.begin('held')
    held.write([word('a'), word('b', SECOND)])
    const lost = log.truncate(FIRST, 0)
    expect(lost()).toEqual([])
    held.commit()
    await quiet()
    expect(words(lost())).toEqual(['a'])
    expect(words(log.dump(TOPIC))).toEqual(['b'])
    expect(await log.admin.bounds([FIRST])).toMatchObject(new Map([['words:0', { end: 0 }]]))
  })

  it('of a topic that is made again has another id and no cursor, and is not read beyond its end', async () => {
    const { log, transactions } = await world()
    const member = await join(log)
    await transactions.commit(pair('a', 1))
    await quiet()
    const before = (await log.admin.bounds([FIRST])).get('words:0')
    expect(words(log.recreate(TOPIC, 'forgotten')())).toEqual(['a', 'a'])
    await quiet()
    expect(await log.admin.committed('group', [FIRST])).toEqual(new Map())
    expect((await log.admin.bounds([FIRST])).get('words:0')?.topicId).not.toBe(before?.topicId)
    expect(member.stops).toHaveLength(2)
    expect(member.held).toHaveLength(1)
  })

  it('of a topic that is made again is read on at the old position once it is as long', async () => {
    const { log } = await world()
    const member = await join(log)
    await log.writer().write([word('a'), word('b')])
    await quiet()
    log.recreate(TOPIC, 'forgotten')
    const held = log.begin('held')
    held.write([word('c'), word('d'), word('e')])
    held.commit()
    await quiet()
    expect(member.deliveries.flat()).toEqual(['a', 'b', 'e'])
    expect(member.stops).toEqual([])
  })

  it('of a topic that is made again keeps its cursor when its coordinator has not heard of it', async () => {
    const { log, transactions } = await world()
    await transactions.commit(pair('a', 1))
    await quiet()
    log.recreate(TOPIC, 'kept')
    expect((await log.admin.committed('group', [FIRST])).get('words:0')?.next).toBe(1)
  })

  it('is compacted as far as the cleaner has come, in front of a reader that is on its way', async () => {
    const { log } = await world({ 'cleanup.policy': 'compact' })
    await log.writer().write([word('1'), word('2'), word(null), word('3'), word('4')])
    log.compact(TOPIC, { below: 3, tombstonesSinceMs: 1 })
    expect((await readAll(log)).map(({ offset }) => offset)).toEqual([2, 3, 4])
    log.compact(TOPIC, { below: 3, tombstonesSinceMs: 2 })
    expect((await readAll(log, 1)).map(({ offset }) => offset)).toEqual([3, 4])
  })
})
