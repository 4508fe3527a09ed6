import { describe, expect, it } from 'vitest'
import { memoryLog } from '../memory.ts'
import type { MemoryLog } from '../memory.ts'
import type { LogErrorCode, LogTransactions } from '../port.ts'
import type { MemoryFaults } from './faults.ts'
import { batch, FIRST, quiet, readAll, TOPIC, withTopic, word, words } from './testing/world.suite.ts'

const GROUP_CURSOR = `${TOPIC}:0`

interface World {
  readonly log: MemoryLog
  readonly faults: MemoryFaults
  readonly transactions: LogTransactions
}

async function world(): Promise<World> {
  const faults: MemoryFaults = {}
  const log = await withTopic(memoryLog({ faults }))
  const transactions = log.transactions({ transactionalId: 'id', timeoutMs: 1_000 })
  await transactions.fence()
  return { log, faults, transactions }
}

async function cursor(log: MemoryLog): Promise<number | undefined> {
  return (await log.admin.committed('group', [FIRST])).get(GROUP_CURSOR)?.next
}

function once(): () => boolean {
  let times = 0
  return () => (times += 1) === 1
}

const rejectedWith = (code: LogErrorCode) => ({ name: 'LogError', code })

describe('a fault of a commit', () => {
  it('beforeCommit: the outcome is unknown, the transaction stays open until the fence, and did not happen', async () => {
    const { log, faults, transactions } = await world()
    faults.beforeCommit = once()
    await expect(transactions.commit(batch('a', 1))).rejects.toMatchObject(rejectedWith('unknown'))
    expect(log.openTransactions()).toMatchObject([{ transactionalId: 'id', partitions: [FIRST] }])
    await expect(transactions.commit(batch('b', 1))).rejects.toMatchObject(rejectedWith('fatal'))
    await transactions.fence()
    expect(log.openTransactions()).toEqual([])
    expect(await cursor(log)).toBeUndefined()
    await transactions.commit(batch('a', 1))
    expect(words(await readAll(log))).toEqual(['a'])
  })

  it('afterCommitBeforeReply: the outcome is unknown, and after the fence the cursor tells that it happened', async () => {
    const { log, faults, transactions } = await world()
    faults.afterCommitBeforeReply = once()
    await expect(transactions.commit(batch('a', 1))).rejects.toMatchObject(rejectedWith('unknown'))
    await transactions.fence()
    expect(await cursor(log)).toBe(1)
    expect(words(await readAll(log))).toEqual(['a'])
  })

  it('commitRefused: nothing happened and the same handle may repeat', async () => {
    const { log, faults, transactions } = await world()
    faults.commitRefused = once()
    await expect(transactions.commit(batch('a', 1))).rejects.toMatchObject(rejectedWith('retriable'))
    expect(await cursor(log)).toBeUndefined()
    await transactions.commit(batch('b', 1))
    await quiet()
    expect(words(await readAll(log))).toEqual(['b'])
  })

  it('recordsRefused: nothing happened and the same handle may repeat', async () => {
    const { log, faults, transactions } = await world()
    faults.recordsRefused = once()
    await expect(transactions.commit(batch('a', 1))).rejects.toMatchObject(rejectedWith('retriable'))
    expect(log.openTransactions()).toEqual([])
    await transactions.commit(batch('b', 1))
    await quiet()
    expect(words(log.dump(TOPIC))).toEqual(['b'])
  })

  it.each([
    ['commits when it arrives before the fence', true],
    ['is aborted when the fence is faster', false],
  ])('commitLate: the outcome is unknown and the transaction %s', async (_, arrives) => {
    const late: (() => void)[] = []
    let catching = false
    const faults: MemoryFaults = {}
    const schedule = (task: () => void): void => {
      if (catching) late.push(task)
      else queueMicrotask(task)
      catching = false
    }
    const log = await withTopic(memoryLog({ faults, schedule }))
    const transactions = log.transactions({ transactionalId: 'id', timeoutMs: 1_000 })
    await transactions.fence()
    faults.commitLate = () => (catching = true)
    await expect(transactions.commit(batch('a', 1))).rejects.toMatchObject(rejectedWith('unknown'))
    expect(late).toHaveLength(1)
    if (arrives) late[0]?.()
    await transactions.fence()
    if (!arrives) late[0]?.()
    expect(await cursor(log)).toBe(arrives ? 1 : undefined)
    expect(words(await readAll(log))).toEqual(arrives ? ['a'] : [])
  })

  it('fenceRefused: nothing changed, the owner goes on', async () => {
    const { log, faults, transactions } = await world()
    const rival = log.connect().transactions({ transactionalId: 'id', timeoutMs: 1_000 })
    faults.fenceRefused = once()
    await expect(rival.fence()).rejects.toMatchObject(rejectedWith('retriable'))
    await transactions.commit(batch('a', 1))
    expect(words(log.dump(TOPIC))).toEqual(['a'])
  })
})

describe('a fault of a plain write', () => {
  it.each([
    ['writeLost', []],
    ['writePartial', ['a']],
    ['writeReplyLost', ['a', 'b']],
  ] as const)('%s: the outcome is unknown and these are durable: %j', async (fault, durable) => {
    const { log, faults } = await world()
    faults[fault] = once()
    const writing = log.writer().write([word('a'), word('b')])
    await expect(writing).rejects.toMatchObject(rejectedWith('unknown'))
    expect(words(log.dump(TOPIC))).toEqual(durable)
  })
})

describe('a fault of a member', () => {
  it('deliver: the records come later, none is lost', async () => {
    const { log, faults } = await world()
    let delays = 3
    faults.deliver = ({ group, partition }) => group === 'group' && partition === 0 && (delays -= 1) >= 0
    const received: string[] = []
    const consumer = log.consumer({
      group: 'group',
      topics: [TOPIC],
      onAssigned: (held) => {
        for (const at of held) consumer.seek(at, 0)
        consumer.resume(held)
      },
      onRecords: (_, records) => received.push(...words(records)),
      onFailed: (error) => {
        throw error
      },
    })
    await consumer.start()
    await log.writer().write([word('a'), word('b')])
    await quiet()
    expect(received).toEqual(['a', 'b'])
    expect(delays).toBe(-1)
  })

  it.each([
    ['cursorsLost', 'retriable', undefined],
    ['cursorsReplyLost', 'unknown', 5],
  ] as const)('%s: the caller sees %s and the cursor is %s', async (fault, code, next) => {
    const { log, faults } = await world()
    const consumer = log.consumer({
      group: 'group',
      topics: [TOPIC],
      onAssigned: () => undefined,
      onRecords: () => undefined,
      onFailed: () => undefined,
    })
    await consumer.start()
    faults[fault] = once()
    const committing = consumer.commit([{ ...FIRST, next: 5, metadata: '' }])
    await expect(committing).rejects.toMatchObject(rejectedWith(code))
    expect(await cursor(log)).toBe(next)
    await consumer.commit([{ ...FIRST, next: 6, metadata: '' }])
    expect(await cursor(log)).toBe(6)
  })
})

describe('a fault of reading or administration', () => {
  it('is retriable and gone the next time', async () => {
    const { log, faults } = await world()
    faults.readRefused = once()
    await expect(readAll(log)).rejects.toMatchObject(rejectedWith('retriable'))
    expect(await readAll(log)).toEqual([])
    faults.adminRefused = ({ operation }) => operation === 'bounds'
    await expect(log.admin.bounds([FIRST])).rejects.toMatchObject(rejectedWith('retriable'))
    expect(await log.admin.partitions([TOPIC])).toEqual(new Map([[TOPIC, 2]]))
  })
})
