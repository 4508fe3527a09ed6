import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { MemoryLog } from '../log/memory.ts'
import { changelogTopicOf, MARKS_STORE } from '../dsl/topology.ts'
import { LogError, partitionKey, type LogClient, type LogConsumer } from '../log/port.ts'
import { sleep } from '../platform/backoff.ts'
import { levelStores } from './store/level.ts'
import { memoryStores } from './store/memory.ts'
import type { Store, StoreFactory } from './store/store.ts'
import { groupOf } from './task/names.ts'
import { committerOn, provisionCounting, until } from './testing/counting.suite.ts'
import { closeWorkers, countOf, toldOf, workers, world, type World } from './testing/recovery.suite.ts'
import { methodsOf } from './testing/standby.suite.ts'

/** What a member does when the ground under it changes: its disk, its topics, its ownership. */
closeWorkers()

/** Stores of which one method can be made to fail. */
function failing(inner: StoreFactory, commit: (store: Store) => Store['commit']): StoreFactory {
  return {
    ...inner,
    open: async (name, onWiped) => {
      const store = await inner.open(name, onWiped)
      return { ...methodsOf(store), commit: commit(store) }
    },
  }
}

describe('a local store that fails', () => {
  it('fault R9: is opened anew until a full disk has room again, and nothing is lost or counted twice', async () => {
    const scene = await world()
    let isFull = false
    const stores = failing(memoryStores(), (store) => (changes, checkpoint) => {
      if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      return store.commit(changes, checkpoint)
    })
    await scene.start({ stores })
    await scene.write('a')
    await toldOf(scene, 1)
    isFull = true
    await scene.write('a')
    await until(() => countOf(scene.events, 'recovering') >= 3, 'three attempts')
    isFull = false
    await scene.write('a')
    await toldOf(scene, 3)
    expect(await scene.told()).toEqual(['a 1', 'a 2', 'a 3'])
    expect(scene.events).not.toContain('failed')
  })

  it('fault R9: waits for as long as another process has it, and then goes on', async () => {
    const scene = await world()
    const directory = await mkdtemp(join(tmpdir(), 'recovery-'))
    const stores = levelStores(directory, () => sleep(1))
    const frozen = await stores.open(`${scene.given.topology.name}.0`, () => {})
    await scene.start({ stores })
    await scene.write('a')
    await until(() => countOf(scene.events, 'recovering') >= 10, 'ten attempts')
    await frozen.close()
    await toldOf(scene, 1)
    expect(scene.events).not.toContain('failed')
    expect(scene.events).not.toContain('wiped')
    await workers.splice(0).at(0)?.close()
    await rm(directory, { recursive: true })
  })

  it('fault R9: is begun anew when it fails every time that it is opened', async () => {
    const scene = await world()
    const inner = memoryStores()
    let isBroken = true
    const stores: StoreFactory = {
      ...inner,
      open: (name, onWiped) =>
        isBroken ? Promise.reject(new Error('IO error: no such file')) : inner.open(name, onWiped),
      destroy: (name) => {
        isBroken = false
        return inner.destroy(name)
      },
    }
    await scene.start({ stores })
    await scene.write('a')
    await toldOf(scene, 1)
    expect(countOf(scene.events, 'wiped')).toBe(1)
    expect(scene.events).not.toContain('failed')
  })
})

/** A broker that tells no topic ids. */
const withoutIds = (log: LogClient): LogClient => ({
  ...log,
  admin: {
    ...log.admin,
    bounds: async (at) => {
      const bounds = await log.admin.bounds(at)
      return new Map([...bounds].map(([key, { start, end }]) => [key, { start, end }]))
    },
  },
})

/** Whoever restores waits for the first record, and then gets that one. */
function heldReads(given: MemoryLog) {
  const log = given.connect()
  const gate = new AbortController()
  const released = new Promise((resolve) => gate.signal.addEventListener('abort', resolve))
  let reads = 0
  const reader: LogClient['reader'] = () => {
    const inner = log.reader()
    return {
      read: async (at, offset, limits) => {
        reads += 1
        if (reads === 1) await released
        const { records, next, end } = await inner.read(at, offset, limits)
        return { records: records.slice(0, 1), next: records[1]?.offset ?? next, end }
      },
      close: () => inner.close(),
    }
  }
  return { log: { ...log, reader }, isHeld: () => reads > 0, release: () => gate.abort() }
}

const makeAgain = async ({ log, given }: World): Promise<void> => {
  await log.admin.deleteTopics([given.words])
  await provisionCounting(log, given, 1)
}

describe('an input that was deleted and made again', () => {
  it('fault R2: is read from its start, and what it holds is no replay', async () => {
    const scene = await world()
    const first = await scene.start()
    await scene.write('a', 'a', 'a')
    await toldOf(scene, 3)
    await first.close()
    await makeAgain(scene)
    await scene.write('b')
    await scene.start()
    await toldOf(scene, 4)
    expect((await scene.told()).at(-1)).toBe('b 1')
    expect(countOf(scene.events, `recreated ${scene.given.words}`)).toBe(1)
  })

  it('fault R2: is noticed by a member that runs, and again by nobody after that', async () => {
    const scene = await world()
    const worker = await scene.start()
    await scene.write('a', 'a', 'a')
    await toldOf(scene, 3)
    await makeAgain(scene)
    await scene.write('b')
    scene.log.rebalance(groupOf('test', scene.given.topology.name))
    await toldOf(scene, 4)
    await worker.close()
    await scene.start()
    await scene.write('b')
    await toldOf(scene, 5)
    expect((await scene.told()).slice(3)).toEqual(['b 1', 'b 2'])
    expect(countOf(scene.events, `recreated ${scene.given.words}`)).toBe(1)
  })

  it('fault R2: is known no better by a member that is told to stop before it has restored', async () => {
    const scene = await world()
    const old = memoryStores()
    const first = await scene.start({ stores: old })
    await scene.write('a')
    await toldOf(scene, 1)
    await first.close()
    await makeAgain(scene)
    await scene.write('b', 'b')
    const second = await scene.start()
    await toldOf(scene, 3)
    await second.close()
    const { log, isHeld, release } = heldReads(scene.log)
    const third = await scene.start({ log, stores: old })
    await until(isHeld, 'a restore under way')
    const closed = third.close()
    release()
    await closed
    const at = { topic: scene.given.words, partition: 0 }
    const cursors = await scene.log.admin.committed(groupOf('test', scene.given.topology.name), [at])
    expect(cursors.get(partitionKey(at))?.next).toBe(2)
  })

  it('fault R2: is known by its end on a broker that tells no ids', async () => {
    const scene = await world()
    const log = withoutIds(scene.log)
    const first = await scene.start({ log })
    await scene.write('a', 'a', 'a')
    await toldOf(scene, 3)
    await first.close()
    await makeAgain(scene)
    await scene.write('b')
    await scene.start({ log, limits: { shortChangelogMsMax: 200 } })
    await toldOf(scene, 4)
    expect((await scene.told()).at(-1)).toBe('b 1')
  })

  it('are known to have been read by the marks that a former version wrote to a topic of their own', async () => {
    const scene = await world()
    await scene.write('a', 'b')
    const topic = changelogTopicOf(scene.given.topology.name, MARKS_STORE)
    const mark = { topic, partition: 0, key: scene.given.words, value: '2', timestamp: Date.now() }
    await scene.log.writer().write([mark])
    await scene.start()
    await scene.write('b')
    await toldOf(scene, 3)
    expect(await scene.told()).toEqual(['a 1 again', 'b 1 again', 'b 2'])
  })

  it('fault R2: leaves a state without ids as it was: what is read again is a replay', async () => {
    const scene = await world()
    const first = await scene.start({ log: withoutIds(scene.log) })
    await scene.write('a', 'b')
    await toldOf(scene, 2)
    await first.close()
    const cursor = { topic: scene.given.words, partition: 0, next: 0, metadata: '' }
    await scene.log.admin.moveCursors(groupOf('test', scene.given.topology.name), [cursor])
    await scene.start()
    await toldOf(scene, 4)
    expect((await scene.told()).slice(2)).toEqual(['a 2 again', 'b 2 again'])
    expect(scene.events.filter((event) => event.startsWith('recreated'))).toEqual([])
  })
})

/** Instead of records the log says, so many times, that there are none to be had. */
function stopping(log: MemoryLog, times: number): LogClient {
  let left = times
  return {
    ...log,
    consumer: (options) =>
      log.consumer({
        ...options,
        onRecords: (at, records, next) => {
          if (records.length === 0 || left === 0) return options.onRecords(at, records, next)
          left -= 1
          options.onStopped?.(at, new LogError('fatal', 'a damaged batch'))
        },
      }),
  }
}

describe('an input of which the log gives no more', () => {
  it('fault R4: is opened anew, which helps when the log was cut back', async () => {
    const scene = await world()
    await scene.start({ log: stopping(scene.log, 2) })
    await scene.write('a')
    await toldOf(scene, 1)
    expect(countOf(scene.events, 'recovering')).toBeGreaterThan(0)
    expect(countOf(scene.events, 'failed')).toBe(0)
  })

  it('fault R4: fails its task, and only that, when it stays so', async () => {
    const scene = await world()
    await scene.start({ log: stopping(scene.log, 1_000) })
    await scene.write('a')
    await until(() => countOf(scene.events, 'failed') === 1, 'the task has failed')
    expect(countOf(scene.events, 'recovering')).toBe(3)
  })
})

/** A process whose member is cut off from its group can be expelled, and does not hear of it. */
function cutOff(client: LogClient) {
  const consumers: LogConsumer[] = []
  const consumer: LogClient['consumer'] = (options) => {
    const one = client.consumer(options)
    consumers.push(one)
    return one
  }
  return { log: { ...client, consumer }, consumers }
}

/** A process that has not heard of the last generation. */
const behind = (log: LogClient, stale: { readonly is: boolean }): LogClient => ({
  ...log,
  consumer: (options) => {
    const one = log.consumer(options)
    const member = one.member.bind(one)
    one.member = () => {
      const now = member()
      return now && stale.is ? { ...now, generation: now.generation - 1 } : now
    }
    return one
  },
})

describe('a task whose group has gone on without it', () => {
  it('fault R12: commits nothing, and disturbs nobody, though it hears nothing from its group', async () => {
    const scene = await world()
    const { log, consumers } = cutOff(scene.log.connect())
    await scene.start({ log, limits: { commitMs: 500, quietCommitMs: 500 } })
    await scene.write('a')
    await toldOf(scene, 1)
    // It has this in hand, and commits it after it was expelled.
    await scene.write('a')
    await sleep(50)
    for (const consumer of consumers) scene.log.expelMember(consumer)
    await scene.start({ log: scene.log.connect() })
    await until(() => countOf(scene.events, 'running') === 2, 'the successor runs')
    await until(() => countOf(scene.events, 'recovering') === 1, 'the first one is ended')
    for (let n = 3; n < 13; n += 1) {
      await scene.write('a')
      await toldOf(scene, n)
    }
    expect((await scene.told()).slice(0, 3)).toEqual(['a 1', 'a 2', 'a 3'])
    expect(countOf(scene.events, 'recovering')).toBe(1)
    for (const consumer of consumers) scene.log.noticeExpulsion(consumer)
  })

  it('waits with what it has in hand, and commits it once the group says that it is its own', async () => {
    const scene = await world()
    const stale = { is: true }
    const worker = await scene.start({ log: behind(scene.log, stale) })
    await scene.write('a')
    await until(() => countOf(scene.events, 'outdated') === 1, 'the group refuses it')
    stale.is = false
    scene.log.rebalance(groupOf('test', scene.given.topology.name))
    await scene.write('a')
    await toldOf(scene, 2)
    expect(await scene.told()).toEqual(['a 1', 'a 2'])
    expect(countOf(scene.events, 'running')).toBe(1)
    expect(worker.ready).toBe(true)
  })

  it('begins anew when it has missed a generation, in which another may have had its partition', async () => {
    const scene = await world()
    const group = groupOf('test', scene.given.topology.name)
    let isDeaf = false
    const log: LogClient = {
      ...scene.log,
      consumer: (options) =>
        scene.log.consumer({
          ...options,
          onAssigned: (...news) => {
            if (!isDeaf) options.onAssigned(...news)
          },
        }),
    }
    await scene.start({ log })
    await scene.write('a')
    await toldOf(scene, 1)
    scene.log.rebalance(group)
    await sleep(20)
    expect(countOf(scene.events, 'running')).toBe(1)
    isDeaf = true
    scene.log.rebalance(group)
    await sleep(20)
    isDeaf = false
    scene.log.rebalance(group)
    await until(() => countOf(scene.events, 'running') === 2, 'it opens again')
    await scene.write('a')
    await toldOf(scene, 2)
    expect(await scene.told()).toEqual(['a 1', 'a 2'])
  })

  it('goes on when its writer was ended by somebody', async () => {
    const scene = await world()
    const committer = committerOn(scene.log)
    await scene.start({ committer })
    await scene.write('a')
    await toldOf(scene, 1)
    await scene.log.transactions({ transactionalId: committer.id, timeoutMs: 1000 }).fence()
    await scene.write('a')
    await toldOf(scene, 2)
    expect(await scene.told()).toEqual(['a 1', 'a 2'])
    expect(countOf(scene.events, 'recovering')).toBe(1)
  })
})
