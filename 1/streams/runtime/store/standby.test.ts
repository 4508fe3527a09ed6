import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryLog, type MemoryLog } from '../../log/memory.ts'
import { partitionKey } from '../../log/port.ts'
import { sleep } from '../../platform/backoff.ts'
import { systemClock } from '../clock.ts'
import {
  counting,
  provisionCounting,
  readAll,
  startWorker,
  until,
  wordRecord,
  type Counting,
  type StartOptions,
} from '../testing/counting.suite.ts'
import { exclusive, standbySuite, STANDBYS } from '../testing/standby.suite.ts'
import { levelStores } from './level.ts'
import { memoryStores } from './memory.ts'
import type { StoreFactory } from './store.ts'
import type { Worker } from '../worker.ts'

let names = 0
const unique = (name: string): string => `${name}-${(names += 1)}`

standbySuite('the in-memory log', { connect: () => Promise.resolve(memoryLog()), unique })

const WORDS = Array.from({ length: 30 }, (_, n) => `w${n}`)

interface World {
  readonly log: MemoryLog
  readonly given: Counting
  readonly start: (extra?: Partial<StartOptions>) => Promise<Worker>
  /** Writes the words, and waits until the topology has told of so many in all. */
  readonly tell: (words: readonly string[], total: number) => Promise<void>
}

/** A topology over `partitions`, on a log for which no copy that misses a record is warm. */
async function world(partitions: number): Promise<World> {
  const log = memoryLog({ lagMax: 0 })
  const given = counting(unique('copied'))
  await provisionCounting(log, given, partitions)
  return {
    log,
    given,
    start: (extra = {}) =>
      startWorker({ log: log.connect(), stores: exclusive(), counting: given, standbys: STANDBYS, ...extra }),
    tell: async (words, total) => {
      await log.writer().write(words.map((word, n) => wordRecord(given, word, n, partitions)))
      await until(
        async () => (await readAll(log, given.tallies, partitions)).length === total,
        `${total} tallies`,
      )
    },
  }
}

describe('a standby', () => {
  it('is warmed up by a newcomer before it is given its share, while the owner goes on', async () => {
    const { start, tell } = await world(4)
    const owner = await start()
    await tell(WORDS, 30)
    const restored: number[] = []
    const closed: unknown[] = []
    const newcomer = await start({ hooks: { restored: (_, records) => restored.push(records) } })
    await until(() => newcomer.status().length === 2 && newcomer.ready, 'the share of the newcomer')
    expect(restored).toEqual([0, 0])
    expect(owner.status()).toHaveLength(2)
    await tell(WORDS, 60)
    expect(closed).toEqual([])
    await Promise.all([owner.close(), newcomer.close()])
  })

  it('moves to the copy when its owner has crashed, and the balance comes after that', async () => {
    const { log, start, tell, given } = await world(4)
    const client = log.connect()
    const owner = await start({ log: client })
    const restored: number[] = []
    const hooks = { restored: (_: unknown, records: number) => restored.push(records) }
    const [one, other] = [memoryStores(), memoryStores()]
    const others = [
      await start({ hooks, stores: exclusive(one) }),
      await start({ hooks, stores: exclusive(other) }),
    ]
    await until(() => others.every((one) => one.status().length > 0 && one.ready), 'shares')
    await tell(WORDS, 30)
    const copies = () => [owner, ...others].reduce((sum, one) => sum + one.standbys().size, 0)
    await until(() => copies() === 4, 'four copies')
    const isWhole = async (disk: StoreFactory, partition: number): Promise<boolean> => {
      const at = { topic: `${given.topology.name}-counts-changelog`, partition }
      const { end } = (await log.admin.bounds([at])).get(partitionKey(at)) ?? {}
      return (await disk.peek(`${given.topology.name}.${partition}`)).changelogs['counts'] === end
    }
    for (const { partition } of owner.status())
      await until(async () => (await isWhole(one, partition)) || isWhole(other, partition), 'warm copies')
    restored.length = 0
    client.crash()
    log.expireSessions()
    await until(() => others.every((one) => one.status().length === 2 && one.ready), 'all four tasks')
    expect(restored.every((records) => records < 5)).toBe(true)
    await tell(WORDS, 60)
    await Promise.all(others.map((one) => one.close()))
  })

  it('says that it is present while nothing is written, and begins anew when it was away for too long', async () => {
    const { start, tell, given } = await world(1)
    let aheadMs = 0
    const clock = { ...systemClock, now: () => Date.now() + aheadMs }
    const owner = await start()
    await tell(WORDS, 30)
    const disk = memoryStores()
    const wiped: unknown[] = []
    const hooks = { wiped: (_: unknown, reason: unknown) => wiped.push(reason) }
    const other = await start({ stores: exclusive(disk), clock, hooks })
    await until(() => other.standbys().get(0) === 0, 'a copy that has caught up')
    const atMs = async () => (await disk.peek(`${given.topology.name}.0`)).atMs
    aheadMs = 7 * 3_600_000
    await until(async () => (await atMs()) >= clock.now() - 60_000, 'a checkpoint of now')
    aheadMs = 14 * 3_600_000
    await until(async () => (await atMs()) >= clock.now() - 60_000, 'another one')
    expect(wiped).toEqual([])
    aheadMs = 27 * 3_600_000
    await until(() => wiped.length === 1, 'the old copy is wiped')
    await until(async () => (await atMs()) >= clock.now() - 60_000, 'a new copy')
    await Promise.all([owner.close(), other.close()])
  })

  it('leaves its copy as it is when the changelog is shorter: it may be all that is left', async () => {
    const { log, start, tell, given } = await world(1)
    const owner = await start()
    await tell(WORDS, 30)
    const disk = memoryStores()
    const failures: unknown[] = []
    const hooks = { standbyFailed: (_: unknown, error: unknown) => failures.push(error) }
    const other = await start({ stores: exclusive(disk), hooks })
    await until(() => other.standbys().get(0) === 0, 'a copy that has caught up')
    await owner.close()
    await until(() => other.status().length === 1 && other.ready, 'the take-over')
    let aheadMs = 0
    const clock = { ...systemClock, now: () => Date.now() + aheadMs }
    const third = await start({ hooks, stores: exclusive(), clock })
    await until(() => third.standbys().get(0) === 0, 'the copy of the third')
    await log.admin.deleteTopics([`${given.topology.name}-counts-changelog`])
    await provisionCounting(log, given, 1)
    await sleep(100)
    expect(third.standbys().size).toBe(1)
    aheadMs = 120_000
    await until(() => failures.length > 0 && third.standbys().size === 0, 'the third gives up')
    expect(failures.map(String).at(-1)).toMatch(/truncated or recreated/)
    await Promise.all([other.close(), third.close()])
  })

  it('is opened anew on LevelDB when its files are broken, and restored', async () => {
    const { start, tell, given } = await world(1)
    const directory = await mkdtemp(join(tmpdir(), 'standby-'))
    const owner = await start()
    await tell(WORDS, 30)
    const first = await start({ stores: levelStores(directory, sleep) })
    await until(() => first.standbys().get(0) === 0, 'a copy that has caught up')
    await first.close()
    const path = join(directory, `${given.topology.name}.0`)
    const manifest = (await readdir(path)).find((file) => file.startsWith('MANIFEST')) ?? ''
    expect((await readFile(join(path, manifest))).length).toBeGreaterThan(0)
    await writeFile(join(path, manifest), 'garbage')
    const wiped: unknown[] = []
    const hooks = { wiped: (_: unknown, reason: unknown) => wiped.push(reason) }
    const second = await start({ stores: levelStores(directory, sleep), hooks })
    await until(() => second.standbys().get(0) === 0, 'a copy again')
    expect(wiped).toHaveLength(1)
    await owner.close()
    await until(() => second.status().length === 1 && second.ready, 'the take-over')
    await tell(WORDS, 60)
    await second.close()
    await rm(directory, { recursive: true, force: true })
  })
})
