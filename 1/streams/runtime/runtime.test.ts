import { describe, expect, it } from 'vitest'
import { sleep } from '../platform/backoff.ts'
import { memoryLog, type MemoryLog } from '../log/memory.ts'
import type { MemoryFaults } from '../log/memory/faults.ts'
import { partitionKey, type LogClient, type LogConsumer } from '../log/port.ts'
import {
  counting,
  provisionCounting,
  readAll,
  startWorker,
  talliesOf,
  until,
  wordRecord,
  type Counting,
} from './testing/counting.suite.ts'
import { writeCursorMetadata } from './opening/cursor.ts'
import { runtimeSuite } from './testing/runtime.suite.ts'
import { systemClock } from './clock.ts'
import { methodsOf } from './testing/standby.suite.ts'
import { memoryStores } from './store/memory.ts'
import { StoreCorruptError, type Store, type StoreFactory } from './store/store.ts'
import { groupOf } from './task/names.ts'

let names = 0
const unique = (name: string): string => `${name}-${(names += 1)}`

runtimeSuite('the in-memory log', { connect: () => Promise.resolve(memoryLog()), unique })

const PARTITIONS = 1
const WORDS = ['a', 'a', 'b', 'a', 'b', 'a', 'b', 'a']

async function world(faults: MemoryFaults): Promise<{ log: MemoryLog; given: Counting }> {
  const log = memoryLog({ faults, deliverMax: 2 })
  const given = counting(unique('faulty'))
  await provisionCounting(log, given, PARTITIONS)
  return { log, given }
}

const countsOf = async (log: MemoryLog, given: Counting, word: string): Promise<number[]> =>
  talliesOf(await readAll(log, given.tallies, PARTITIONS))
    .filter((tally) => tally.word === word)
    .map((tally) => tally.count)

// The test itself reads the tallies: only reads of a changelog are to fail.
const isOurs = (at: object): boolean => !('topic' in at) || String(at.topic).endsWith('-changelog')

/** Makes every third use of a fault point happen. */
const everyThird = (): ((at: object) => boolean) => {
  let uses = 0
  return (at) => isOurs(at) && (uses += 1) % 3 === 0
}

describe('the runtime under faults of the log', () => {
  const faults: readonly (readonly [keyof MemoryFaults, string])[] = [
    ['beforeCommit', 'the commit request is lost'],
    ['afterCommitBeforeReply', 'the commit is durable but its reply is lost'],
    ['commitRefused', 'the broker aborts'],
    ['commitLate', 'the commit arrives late'],
    ['recordsRefused', 'the records are refused'],
    ['readRefused', 'a restore read fails'],
    ['fenceRefused', 'fencing fails'],
  ]

  it.each(faults)('counts exactly once although %s: %s', async (fault) => {
    const { log, given } = await world({ [fault]: everyThird() })
    const recovering: unknown[] = []
    const worker = await startWorker({
      log,
      stores: memoryStores(),
      counting: given,
      hooks: { recovering: (_, error) => recovering.push(error) },
      limits: { recordsPerRoundMax: 2 },
    })
    const writer = log.writer()
    for (const [n, word] of WORDS.entries()) await writer.write([wordRecord(given, word, n, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length >= 5, 'all counted')
    await until(async () => (await countsOf(log, given, 'b')).length >= 3, 'all counted')
    expect(await countsOf(log, given, 'a')).toEqual([1, 2, 3, 4, 5])
    expect(await countsOf(log, given, 'b')).toEqual([1, 2, 3])
    await worker.close()
    expect(log.openTransactions()).toEqual([])
  })

  it('lets a zombie change nothing after its successor has taken over', async () => {
    const { log, given } = await world({})
    const zombie = log.connect()
    const consumers: LogConsumer[] = []
    const recovering: unknown[] = []
    const limits = { commitMs: 200, quietCommitMs: 200 }
    const hooks = { recovering: () => recovering.push('recovering') }
    const consumer: LogClient['consumer'] = (options) => {
      const one = zombie.consumer(options)
      consumers.push(one)
      return one
    }
    await startWorker({
      log: { ...zombie, consumer },
      stores: memoryStores(),
      counting: given,
      hooks,
      limits,
    })
    const writer = log.writer()
    await writer.write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    await writer.write([wordRecord(given, 'a', 1, PARTITIONS)])
    for (const one of consumers) log.expelMember(one)
    const successor = await startWorker({ log: log.connect(), stores: memoryStores(), counting: given })
    await until(async () => (await countsOf(log, given, 'a')).length === 2, 'the successor goes on')
    await until(() => recovering.length > 0, 'the zombie notices')
    expect(await countsOf(log, given, 'a')).toEqual([1, 2])
    zombie.crash()
    await successor.close()
  })

  it('opens no task for an assignment that comes while it closes', async () => {
    const { log, given } = await world({})
    const running: unknown[] = []
    const hooks = { running: () => running.push('running') }
    const worker = await startWorker({ log, stores: memoryStores(), counting: given, hooks })
    await until(() => running.length === PARTITIONS, 'the task runs')
    const closed = worker.close()
    log.rebalance(groupOf('test', given.topology.name))
    await closed
    expect(worker.status()).toEqual([])
  })

  it('goes on at once when the clock is set back by two hours', async () => {
    const { log, given } = await world({})
    let setBackMs = 0
    const clock = { ...systemClock, now: () => Date.now() - setBackMs }
    const worker = await startWorker({ log, stores: memoryStores(), counting: given, clock })
    const writer = log.writer()
    await writer.write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    setBackMs = 2 * 3_600_000
    await writer.write([wordRecord(given, 'a', 1, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 2, 'the second')
    expect(await countsOf(log, given, 'a')).toEqual([1, 2])
    await worker.close()
  })

  it('waits for the changelog when a cursor is seen before the rest of its transaction', async () => {
    const { log, given } = await world({})
    const first = await startWorker({ log, stores: memoryStores(), counting: given })
    await log.writer().write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    await first.close()
    const at = { topic: given.words, partition: 0 }
    const group = groupOf('test', given.topology.name)
    const next = (await log.admin.committed(group, [at])).get(partitionKey(at))?.next ?? 0
    const changelog = { topic: `${given.topology.name}-counts-changelog`, partition: 0 }
    const { end = 0 } = (await log.admin.bounds([changelog])).get(partitionKey(changelog)) ?? {}
    const metadata = writeCursorMetadata({ counts: end + 1 })
    await log.admin.moveCursors(group, [{ ...at, next, metadata }])
    const events: string[] = []
    const hooks = { failed: () => events.push('failed'), running: () => events.push('running') }
    const second = await startWorker({ log, stores: memoryStores(), counting: given, hooks })
    await sleep(250)
    const row = { ...changelog, key: 'b', value: '{"state":{"count":7}}', timestamp: 1 }
    await log.writer().write([row])
    await until(() => events.length > 0, 'the decision')
    expect(events).toEqual(['running'])
    await second.close()
  })

  it('stops and says so when a changelog is shorter than what was committed', async () => {
    const { log, given } = await world({})
    const stores = memoryStores()
    const first = await startWorker({ log, stores, counting: given })
    const writer = log.writer()
    await writer.write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    await first.close()
    const changelog = `${given.topology.name}-counts-changelog`
    await log.admin.deleteTopics([changelog])
    await provisionCounting(log, given, PARTITIONS)
    const failed: unknown[] = []
    const hooks = { failed: (_: unknown, error: unknown) => failed.push(error) }
    const limits = { shortChangelogMsMax: 300 }
    const second = await startWorker({ log, stores: memoryStores(), counting: given, hooks, limits })
    await until(() => failed.length === 1, 'the failure')
    expect(String(failed[0])).toMatch(/truncated or recreated/)
    expect(second.ready).toBe(false)
  })

  it('waits for a broker that has come back and shows less of a changelog than the local store holds', async () => {
    const { log, given } = await world({})
    const stores = memoryStores()
    const first = await startWorker({ log, stores, counting: given })
    const writer = log.writer()
    await writer.write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    await first.close()
    let short = 5
    const hiding: LogClient = {
      ...log,
      reader: () => {
        const reader = log.reader()
        return {
          read: async (at, offset, limits) => {
            const read = await reader.read(at, offset, limits)
            return (short -= 1) >= 0 ? { ...read, records: [], next: offset, end: 0 } : read
          },
          close: () => reader.close(),
        }
      },
    }
    const failed: unknown[] = []
    const hooks = { failed: (_: unknown, error: unknown) => failed.push(error) }
    const second = await startWorker({ log: hiding, stores, counting: given, hooks })
    await writer.write([wordRecord(given, 'a', 1, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 2, 'the second')
    expect(short).toBeLessThan(0)
    expect(failed).toEqual([])
    await second.close()
  })

  it('wipes a local store that was away for longer than tombstones are kept, and restores it', async () => {
    const { log, given } = await world({})
    const stores = memoryStores()
    let aheadMs = 0
    const clock = { ...systemClock, now: () => Date.now() + aheadMs }
    const first = await startWorker({ log, stores, counting: given, clock })
    const writer = log.writer()
    await writer.write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    await first.close()
    aheadMs = 13 * 3_600_000
    const wiped: unknown[] = []
    const hooks = { wiped: (_: unknown, reason: unknown) => wiped.push(reason) }
    const second = await startWorker({ log, stores, counting: given, clock, hooks })
    await writer.write([wordRecord(given, 'a', 1, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 2, 'the second')
    expect(await countsOf(log, given, 'a')).toEqual([1, 2])
    expect(wiped).toHaveLength(1)
    await second.close()
  })

  it('restores a store whose rows cannot be believed from the changelog, and counts on', async () => {
    const { log, given } = await world({})
    const honest = memoryStores()
    let lies = false
    const stores: StoreFactory = {
      peek: (name) => honest.peek(name),
      destroy: (name) => {
        lies = false
        return honest.destroy(name)
      },
      open: async (name, onWiped) => {
        const store = await honest.open(name, onWiped)
        const get: Store['get'] = (table, key) => {
          if (lies && table === 'counts') throw new StoreCorruptError('flipped')
          return store.get(table, key)
        }
        return { ...methodsOf(store), get }
      },
    }
    const wiped: unknown[] = []
    const hooks = { wiped: (_: unknown, reason: unknown) => wiped.push(reason) }
    const worker = await startWorker({ log, stores, counting: given, hooks, limits: { recentRowsMax: 0 } })
    const writer = log.writer()
    await writer.write([wordRecord(given, 'a', 0, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 1, 'the first')
    lies = true
    await writer.write([wordRecord(given, 'a', 1, PARTITIONS)])
    await until(async () => (await countsOf(log, given, 'a')).length === 2, 'the second')
    expect(await countsOf(log, given, 'a')).toEqual([1, 2])
    expect(wiped.map(String)).toEqual(['StoreCorruptError: flipped'])
    await worker.close()
  })
})
