import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LogClient } from '../../log/port.ts'
import {
  counting,
  provisionCounting,
  readAll,
  startWorker,
  talliesOf,
  until,
  wordRecord,
  type Counting,
  type StartOptions,
} from './counting.suite.ts'
import type { RuntimeSuiteOptions } from './runtime.suite.ts'
import { memoryStores } from '../store/memory.ts'
import { StoreCorruptError, type Store, type StoreFactory } from '../store/store.ts'
import type { Worker } from '../worker.ts'

export const STANDBYS = { replicas: 1, pollMs: 20, bytesMax: 1_000_000 }

/** Stores of one process, of which each has one user at a time. */
export function exclusive(
  inner: StoreFactory = memoryStores(),
  around = (store: Store): Store => store,
): StoreFactory {
  const open = new Set<string>()
  return {
    peek: (name) => inner.peek(name),
    destroy: (name) => inner.destroy(name),
    open: async (name, onWiped) => {
      if (open.has(name)) throw new Error(`${name} is open already`)
      open.add(name)
      const store = around(await inner.open(name, onWiped))
      const close = async (): Promise<void> => {
        await store.close()
        open.delete(name)
      }
      return { ...methodsOf(store), close }
    },
  }
}

/** The methods of a store as properties, so that a test can replace one. */
export const methodsOf = (store: Store): Store => ({
  checkpoint: () => store.checkpoint(),
  get: (table, key) => store.get(table, key),
  getMany: (table, keys) => store.getMany(table, keys),
  commit: (changes, checkpoint) => store.commit(changes, checkpoint),
  dueTimers: (untilMs, limit) => store.dueTimers(untilMs, limit),
  dropTimers: (timers) => store.dropTimers(timers),
  nextDueMs: () => store.nextDueMs(),
  countTimers: (signal) => store.countTimers(signal),
  wipe: () => store.wipe(),
  close: () => store.close(),
})

/** What the log is asked for that only an owner may ask for. */
function watched(log: LogClient): { readonly log: LogClient; readonly writes: string[] } {
  const writes: string[] = []
  const note = <T>(what: string, then: T): T => {
    writes.push(what)
    return then
  }
  return {
    writes,
    log: {
      ...log,
      transactions: (options) => note('transactions', log.transactions(options)),
      writer: () => note('writer', log.writer()),
    },
  }
}

const running = (worker: Worker, tasks: number): Promise<void> =>
  until(() => worker.status().length === tasks && worker.ready, `${tasks} running tasks`)

const own = (worker: Worker): number[] => worker.status().map((task) => task.partition)

/** What the runtime guarantees of standbys, on whichever log. */
export function standbySuite(name: string, options: RuntimeSuiteOptions): void {
  describe(`a standby on ${name}`, () => {
    let log: LogClient
    let given: Counting
    let workers: Worker[]

    beforeEach(async () => {
      log = await options.connect()
      given = counting(options.unique('standby'))
      workers = []
    })

    afterEach(async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      await log.close()
    })

    const start = async (extra: Partial<StartOptions> = {}): Promise<Worker> => {
      const worker = await startWorker({
        log,
        stores: exclusive(),
        counting: given,
        standbys: STANDBYS,
        ...extra,
      })
      workers.push(worker)
      return worker
    }
    const write = async (partitions: number, ...words: readonly string[]): Promise<void> => {
      const writer = log.writer()
      await writer.write(words.map((word, n) => wordRecord(given, word, n, partitions)))
      await writer.close()
    }
    const countsOf = async (word: string, partitions: number): Promise<number[]> =>
      talliesOf(await readAll(log, given.tallies, partitions))
        .filter((tally) => tally.word === word)
        .map((tally) => tally.count)
    const counted = (word: string, times: number, partitions: number) =>
      until(async () => (await countsOf(word, partitions)).length === times, `${times} tallies of ${word}`)
    const rowsOf = async (stores: StoreFactory, key: string): Promise<string | undefined> => {
      const store = await stores.open(`${given.topology.name}.0`, () => {})
      return store.get('counts', key)
    }

    it('follows the changelog of a task that it does not own, and asks the log for nothing that writes', async () => {
      await provisionCounting(log, given, 1)
      const owner = await start()
      await running(owner, 1)
      await write(1, 'a', 'b', 'a')
      await counted('a', 2, 1)
      const { log: seen, writes } = watched(log)
      const disk = memoryStores()
      const other = await start({ log: seen, stores: exclusive(disk) })
      await until(() => other.standbys().get(0) === 0, 'a copy that has caught up')
      expect(await rowsOf(disk, 'a')).toContain('"count":2')
      await write(1, 'a')
      await until(async () => (await rowsOf(disk, 'a'))?.includes('"count":3') === true, 'the new row')
      expect(other.status()).toEqual([])
      expect(owner.standbys().size).toBe(0)
      expect(writes).toEqual([])
    })

    it('is taken over by the task of its member, which reads the tail only and counts on', async () => {
      await provisionCounting(log, given, 1)
      const owner = await start()
      await running(owner, 1)
      const words = Array.from({ length: 50 }, (_, n) => `w${n}`)
      await write(1, ...words, 'a')
      await counted('a', 1, 1)
      let restored = -1
      const other = await start({ hooks: { restored: (_, records) => (restored = records) } })
      await until(() => other.standbys().get(0) === 0, 'a copy that has caught up')
      await owner.close()
      await running(other, 1)
      expect(restored).toBeGreaterThanOrEqual(0)
      expect(restored).toBeLessThan(5)
      expect(other.standbys().size).toBe(0)
      await write(1, 'a', 'w7')
      await counted('a', 2, 1)
      await counted('w7', 2, 1)
      expect(await countsOf('a', 1)).toEqual([1, 2])
      expect(await countsOf('w7', 1)).toEqual([1, 2])
    })

    it('has each partition once beside its owner, moves with it, and goes back and forth without loss', async () => {
      await provisionCounting(log, given, 2)
      const first = await start()
      await running(first, 2)
      expect(first.standbys().size).toBe(0)
      const second = await start()
      await until(() => first.status().length === 1 && second.status().length === 1, 'one task each')
      await until(() => first.standbys().size === 1 && second.standbys().size === 1, 'one copy each')
      expect([...first.standbys().keys()]).toEqual(own(second))
      expect([...second.standbys().keys()]).toEqual(own(first))
      for (let turn = 1; turn <= 3; turn += 1) {
        await write(2, 'a', 'b', 'c', 'd')
        for (const word of ['a', 'b', 'c', 'd']) await counted(word, turn, 2)
        const leaves = turn === 1 ? first : turn === 2 ? second : undefined
        await leaves?.close()
        if (leaves === first) await start()
      }
      for (const word of ['a', 'b', 'c', 'd']) expect(await countsOf(word, 2)).toEqual([1, 2, 3])
    })

    it('is begun anew when its store cannot be believed, and is as good as any other then', async () => {
      await provisionCounting(log, given, 1)
      const owner = await start()
      await running(owner, 1)
      await write(1, 'a', 'b', 'c')
      await counted('c', 1, 1)
      let breaks = true
      const disk = memoryStores()
      const broken = (store: Store): Store => ({
        ...methodsOf(store),
        commit: (changes, checkpoint) => {
          if (!breaks) return store.commit(changes, checkpoint)
          breaks = false
          return Promise.reject(new StoreCorruptError('flipped'))
        },
      })
      const wiped: unknown[] = []
      const hooks = { wiped: (_: unknown, reason: unknown) => wiped.push(reason) }
      const other = await start({ stores: exclusive(disk, broken), hooks })
      await until(() => other.standbys().get(0) === 0, 'a copy that has caught up')
      expect(wiped.map(String)).toEqual(['StoreCorruptError: flipped'])
      await owner.close()
      await running(other, 1)
      await write(1, 'a')
      await counted('a', 2, 1)
      expect(await countsOf('a', 1)).toEqual([1, 2])
    })

    it('is not kept by a member that wants none, and not of one that is alone', async () => {
      await provisionCounting(log, given, 2)
      const first = await start()
      await running(first, 2)
      const second = await start({ standbys: { ...STANDBYS, replicas: 0 } })
      await until(() => first.status().length === 1 && second.status().length === 1, 'one task each')
      await until(() => first.standbys().size === 1, 'a copy at the first')
      expect(second.standbys().size).toBe(0)
    })
  })
}
