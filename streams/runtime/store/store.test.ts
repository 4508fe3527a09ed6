import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sleep } from '../../platform/backoff.ts'
import { levelStores, writeBufferBytesOf } from './level.ts'
import { memoryStores } from './memory.ts'
import { StoreCorruptError, type RowChange, type StoredTimer, type StoreFactory } from './store.ts'

const timer = (dueMs: number, key: string): StoredTimer => ({ dueMs, store: 'rows', timer: 'again', key })
const change = (key: string, encoded: string | undefined, extra: Partial<RowChange> = {}): RowChange => ({
  store: 'rows',
  key,
  encoded,
  armed: [],
  disarmed: [],
  ...extra,
})
const never = (reason: unknown): never => {
  throw new Error(`wiped: ${String(reason)}`)
}

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'store-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const factories: readonly (readonly [string, () => StoreFactory])[] = [
  ['memory', () => memoryStores()],
  ['level', () => levelStores(directory, sleep)],
]

describe.each(factories)('the %s store', (_, make) => {
  it('keeps rows and checkpoint of one commit together, and finds both again', async () => {
    const factory = make()
    const store = await factory.open('task', never)
    await store.commit([change('a', '1'), change('b', '2')], { changelogs: { rows: 2 }, atMs: 0 })
    await store.commit([change('a', undefined)], { changelogs: { rows: 3 }, atMs: 0 })
    await store.close()
    const again = await factory.open('task', never)
    expect(again.get('rows', 'a')).toBeUndefined()
    expect(again.get('rows', 'b')).toBe('2')
    expect(again.get('other', 'b')).toBeUndefined()
    expect(await again.getMany('rows', ['b', 'a', 'b'])).toEqual(['2', undefined, '2'])
    expect(again.checkpoint()).toEqual({ changelogs: { rows: 3 }, atMs: 0 })
    await again.close()
  })

  it('says where a store stands without opening it for use, and makes none by that', async () => {
    const factory = make()
    expect(await factory.peek('task')).toEqual({ changelogs: {}, atMs: 0 })
    expect(await readdir(directory)).toEqual([])
    const store = await factory.open('task', never)
    await store.commit([change('a', '1')], { changelogs: { rows: 1 }, atMs: 7 })
    await store.close()
    expect(await factory.peek('task')).toEqual({ changelogs: { rows: 1 }, atMs: 7 })
    const again = await factory.open('task', never)
    expect(again.get('rows', 'a')).toBe('1')
    await again.close()
  })

  it('answers timers in time order, whatever their keys, and only those that are due', async () => {
    const store = await make().open('task', never)
    const armed = [timer(30, 'x'), timer(5, 'z\0odd'), timer(1_700_000_000_000, 'y')]
    await store.commit([change('x', '1', { armed })], { changelogs: {}, atMs: 0 })
    expect(await store.nextDueMs()).toBe(5)
    expect(await store.dueTimers(29, 10)).toEqual([timer(5, 'z\0odd')])
    expect(await store.dueTimers(30, 10)).toEqual([timer(5, 'z\0odd'), timer(30, 'x')])
    expect(await store.dueTimers(30, 1)).toEqual([timer(5, 'z\0odd')])
    await store.dropTimers([timer(5, 'z\0odd')])
    await store.commit([change('x', '1', { disarmed: [timer(30, 'x')] })], { changelogs: {}, atMs: 0 })
    expect(await store.nextDueMs()).toBe(1_700_000_000_000)
    await store.wipe()
    expect(await store.nextDueMs()).toBe(Number.POSITIVE_INFINITY)
    expect(store.checkpoint()).toEqual({ changelogs: {}, atMs: 0 })
    await store.close()
  })

  it('counts its timers by store, as they stood when it was asked', async () => {
    const store = await make().open('task', never)
    const armed = [timer(30, 'x'), timer(5, 'z\0odd'), { ...timer(7, 'x'), store: 'other' }]
    await store.commit([change('x', '1', { armed })], { changelogs: {}, atMs: 0 })
    const counting = store.countTimers(new AbortController().signal)
    await store.commit([change('y', '1', { armed: [timer(9, 'y')] })], { changelogs: {}, atMs: 0 })
    expect(await counting).toEqual(
      new Map([
        ['rows', 2],
        ['other', 1],
      ]),
    )
    await store.close()
  })
})

describe('the level store', () => {
  it('takes a large commit in slices, so that the event loop is let in, and all of it', async () => {
    const store = await levelStores(directory, sleep).open('task', never)
    const changes = Array.from({ length: 5_000 }, (_, n) => change(`key-${n}`, `${n}`.padEnd(1_600)))
    let isLastTaken = false
    const last: RowChange = {
      ...change('last', undefined),
      get encoded() {
        isLastTaken = true
        return 'the last'
      },
    }
    const committed = store.commit([...changes, last], { changelogs: { rows: 5_001 }, atMs: 0 })
    expect(isLastTaken).toBe(false)
    await committed
    expect(store.get('rows', 'last')).toBe('the last')
    expect(changes.filter(({ key, encoded }) => store.get('rows', key) !== encoded)).toEqual([])
    await store.close()
  })

  it('is wiped, never silently, when its files cannot be read', async () => {
    const factory = levelStores(directory, sleep)
    const store = await factory.open('task', never)
    await store.commit([change('a', '1')], { changelogs: { rows: 1 }, atMs: 0 })
    await store.close()
    const files = await readdir(join(directory, 'task'))
    const manifest = files.find((file) => file.startsWith('MANIFEST')) ?? ''
    await writeFile(join(directory, 'task', manifest), 'garbage')
    const reasons: unknown[] = []
    const again = await factory.open('task', (reason) => reasons.push(reason))
    expect(reasons).toHaveLength(1)
    expect(again.checkpoint()).toEqual({ changelogs: {}, atMs: 0 })
    expect(again.get('rows', 'a')).toBeUndefined()
    await again.close()
  })

  it('waits for a former owner to let go of the lock', async () => {
    const factory = levelStores(directory, sleep)
    const former = await factory.open('task', never)
    await former.commit([change('a', '1')], { changelogs: { rows: 1 }, atMs: 0 })
    const next = factory.open('task', never)
    await sleep(50)
    await former.close()
    const store = await next
    expect(store.get('rows', 'a')).toBe('1')
    await store.close()
  })

  it('notices a flipped bit in a row', async () => {
    const factory = levelStores(directory, sleep)
    const store = await factory.open('task', never)
    await store.commit([change('a', 'x'.repeat(5000))], { changelogs: { rows: 1 }, atMs: 0 })
    await store.close()
    const path = join(directory, 'task')
    for (const file of await readdir(path)) {
      if (!/\.(log|ldb)$/.test(file)) continue
      const bytes = await readFile(join(path, file))
      const at = bytes.indexOf('xxxxxxxx')
      if (at >= 0) bytes.writeUInt8(0x79, at + 3)
      await writeFile(join(path, file), bytes)
    }
    const wiped: unknown[] = []
    const again = await factory.open('task', (reason) => wiped.push(reason))
    // In the write-ahead log LevelDB itself drops the record, in a table only our checksum notices:
    // either way not `x…xyx…`.
    const read = (): string | undefined => again.get('rows', 'a')
    const outcome = (() => {
      try {
        return read() ?? 'gone'
      } catch (error) {
        return error instanceof StoreCorruptError ? 'noticed' : 'another error'
      }
    })()
    expect(['gone', 'noticed']).toContain(outcome)
    expect(again.checkpoint().changelogs).toEqual(outcome === 'gone' ? {} : { rows: 1 })
    await again.close()
  })
})

describe('the write buffers of the level store', () => {
  const MEGABYTE = 1024 * 1024

  it('share what a process may give them, within what is of use to one', () => {
    expect(writeBufferBytesOf(1)).toBe(32 * MEGABYTE)
    expect(writeBufferBytesOf(4)).toBe(8 * MEGABYTE)
    expect(writeBufferBytesOf(1000)).toBe(4 * MEGABYTE)
  })
})
