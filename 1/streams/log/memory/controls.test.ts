import { describe, expect, it } from 'vitest'
import { memoryLog } from '../memory.ts'
import { LogError, partitionKey } from '../port.ts'
import {
  batch,
  FIRST,
  join,
  quiet,
  readAll,
  SECOND,
  TOPIC,
  withTopic,
  word,
  words,
} from './testing/world.suite.ts'

function isPending(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => false), quiet().then(() => true)])
}

describe('a crash', () => {
  it('leaves the open transaction open until the id is fenced by another', async () => {
    const log = await withTopic(memoryLog())
    const doomed = log.connect()
    const transactions = doomed.transactions({ transactionalId: 'id', timeoutMs: 1_000 })
    await transactions.fence()
    const committing = transactions.commit({
      ...batch('lost', 1),
      moves: [
        {
          group: 'group',
          cursors: () => {
            doomed.crash()
            return []
          },
        },
      ],
    })
    expect(await isPending(committing)).toBe(true)
    expect(log.openTransactions()).toHaveLength(1)
    await log.writer().write([word('after')])
    expect(await readAll(log)).toEqual([])
    await log.transactions({ transactionalId: 'id', timeoutMs: 1_000 }).fence()
    expect(words(await readAll(log))).toEqual(['after'])
  })

  it('keeps its partitions until the session expires, then they go to the others', async () => {
    const log = await withTopic(memoryLog())
    const doomed = log.connect()
    const lost = await join(doomed)
    const stays = await join(log)
    expect(stays.held).toEqual([[partitionKey(SECOND)]])
    doomed.crash()
    await log.writer().write([word('a')])
    await quiet()
    expect(lost.deliveries).toEqual([])
    expect(await log.admin.groupState('group')).toMatchObject({ state: 'Stable', members: 2 })
    log.expireSessions()
    await quiet()
    expect(stays.held.at(-1)).toEqual([partitionKey(FIRST), partitionKey(SECOND)])
    expect(stays.deliveries).toEqual([['a']])
    expect(await log.admin.groupState('group')).toMatchObject({ state: 'Stable', members: 1 })
  })

  it('takes requests on their way with it: they have no effect and never settle', async () => {
    const log = await withTopic(memoryLog())
    const doomed = log.connect()
    const writing = doomed.writer().write([word('a')])
    doomed.crash()
    expect(await isPending(writing)).toBe(true)
    expect(log.dump(TOPIC)).toEqual([])
  })

  it('does not outlive the next rebalance', async () => {
    const log = await withTopic(memoryLog())
    const doomed = log.connect()
    await join(doomed)
    doomed.crash()
    const next = await join(log)
    expect(next.held).toEqual([[partitionKey(FIRST), partitionKey(SECOND)]])
  })
})

describe('an expelled member', () => {
  it('receives nothing new, does not know, and learns of it by its next commit', async () => {
    const log = await withTopic(memoryLog())
    const zombie = await join(log.connect())
    const other = await join(log)
    log.expelMember(zombie.consumer)
    await log.writer().write([word('a')])
    await quiet()
    expect(zombie.deliveries).toEqual([])
    expect(zombie.failures).toEqual([])
    expect(other.deliveries).toEqual([['a']])
    const committing = zombie.consumer.commit([{ ...FIRST, next: 1, metadata: '' }])
    await expect(committing).rejects.toMatchObject({ code: 'fenced' })
    expect(zombie.failures).toMatchObject([{ code: 'fenced' }])
    expect(other.held.at(-1)).toEqual([partitionKey(FIRST), partitionKey(SECOND)])
  })

  it('may learn of it by a heartbeat too, once', async () => {
    const log = await withTopic(memoryLog())
    const zombie = await join(log)
    log.noticeExpulsion(zombie.consumer)
    await quiet()
    expect(zombie.failures).toEqual([])
    log.expelMember(zombie.consumer)
    log.noticeExpulsion(zombie.consumer)
    log.noticeExpulsion(zombie.consumer)
    await quiet()
    expect(zombie.failures).toMatchObject([{ code: 'fenced' }])
  })

  it('may still commit transactions until its id is fenced', async () => {
    const log = await withTopic(memoryLog())
    const transactions = log.transactions({ transactionalId: 'id', timeoutMs: 1_000 })
    await transactions.fence()
    const zombie = await join(log)
    log.expelMember(zombie.consumer)
    await transactions.commit(batch('a', 1))
    await log.connect().transactions({ transactionalId: 'id', timeoutMs: 1_000 }).fence()
    await expect(transactions.commit(batch('b', 2))).rejects.toMatchObject({ code: 'fenced' })
    expect(words(log.dump(TOPIC))).toEqual(['a'])
  })
})

describe('a rebalance', () => {
  it('fences plain commits of the old generation and lets the partitions go on', async () => {
    const log = await withTopic(memoryLog())
    const { consumer, held, deliveries, failures } = await join(log)
    await log.writer().write([word('a')])
    await quiet()
    log.rebalance('group')
    const old = consumer.commit([{ ...FIRST, next: 1, metadata: '' }])
    await expect(old).rejects.toMatchObject({ code: 'fenced' })
    await consumer.commit([{ ...FIRST, next: 1, metadata: '' }])
    await log.writer().write([word('b')])
    await quiet()
    expect(held).toHaveLength(2)
    expect(deliveries).toEqual([['a'], ['b']])
    expect(failures).toEqual([])
  })

  it('is refused to members that would read other topics', async () => {
    const log = await withTopic(memoryLog())
    await join(log)
    await log.admin.ensureTopics([{ name: 'other', partitions: 1, replicas: 1, config: {} }])
    const ignored = { onAssigned: () => undefined, onRecords: () => undefined, onFailed: () => undefined }
    const odd = log.consumer({ group: 'group', topics: ['other'], ...ignored })
    await expect(odd.start()).rejects.toMatchObject({ code: 'fatal' })
    const lost = log.consumer({ group: 'lost', topics: ['missing'], ...ignored })
    await expect(lost.start()).rejects.toMatchObject({ code: 'fatal' })
  })

  it('follows when a topic is deleted, whose cursors are gone', async () => {
    const log = await withTopic(memoryLog())
    const { consumer, held } = await join(log)
    await consumer.commit([{ ...FIRST, next: 1, metadata: '' }])
    await log.admin.deleteTopics([TOPIC])
    await quiet()
    expect(held.at(-1)).toEqual([])
    expect(await log.admin.committed('group', [FIRST])).toEqual(new Map())
  })
})

describe('transactions in the hand of a test', () => {
  it('move their cursors only when they commit', async () => {
    const log = await withTopic(memoryLog())
    const lost = log.begin('lost')
    lost.move('group', [{ ...FIRST, next: 1, metadata: 'lost' }])
    lost.abort()
    const kept = log.begin('kept')
    kept.move('group', [{ ...FIRST, next: 2, metadata: 'kept' }])
    await quiet()
    expect(await log.admin.committed('group', [FIRST], 'asTheyAre')).toEqual(new Map())
    await expect(log.admin.committed('group', [FIRST])).rejects.toMatchObject({ code: 'retriable' })
    kept.commit()
    await quiet()
    expect((await log.admin.committed('group', [FIRST])).get(partitionKey(FIRST))?.next).toBe(2)
  })

  it('time out: aborted, fenced, and nobody is held back any more', async () => {
    const log = await withTopic(memoryLog())
    const held = log.begin('slow')
    held.write([word('a')])
    await log.writer().write([word('b')])
    expect(await readAll(log)).toEqual([])
    log.expireTransaction('slow')
    await quiet()
    expect(words(await readAll(log))).toEqual(['b'])
    expect(() => held.commit()).toThrow(LogError)
  })

  it('are acknowledged before they can be seen: only a fence waits for markers and cursors', async () => {
    const turns: (() => void)[] = []
    const log = memoryLog({ schedule: (task) => turns.push(task) })
    const turn = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i += 1) {
        turns.shift()?.()
        await quiet()
      }
    }
    const ensured = withTopic(log)
    await turn(2)
    await ensured
    const held = log.begin('id')
    held.write([word('a')])
    held.move('group', [{ ...FIRST, next: 1, metadata: '' }])
    held.commit()
    expect(turns).toHaveLength(2)
    expect(log.openTransactions()).toEqual([])
    turns.push(...turns.splice(0, 2))
    const waiting = [...turns]
    const early = log.admin.committed('group', [FIRST], 'asTheyAre')
    turns.splice(0, 2)
    await turn(2)
    expect(await early).toEqual(new Map())
    log.begin('id')
    const later = log.admin.committed('group', [FIRST])
    await turn(2)
    expect((await later).size).toBe(1)
    for (const late of waiting) late()
    const bounds = log.admin.bounds([FIRST])
    await turn(2)
    expect((await bounds).get(partitionKey(FIRST))).toMatchObject({ start: 0, end: 2 })
  })
})
