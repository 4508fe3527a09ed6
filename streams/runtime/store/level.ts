import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { z } from 'zod'
import type { Sleep } from '../../platform/backoff.ts'
import { inSlices } from '../../platform/slices.ts'
import { seal, unsealed } from './seal.ts'
import {
  checkpointAfter,
  EMPTY_CHECKPOINT,
  StoreCorruptError,
  type Checkpoint,
  type RowChange,
  type Store,
  type StoredTimer,
  type StoreFactory,
} from './store.ts'

/**
 * The store on LevelDB: fastest writer of the candidates measured, atomic batches, no install step.
 * Keys: `c` the checkpoint, `r<store>\0<key>` rows, `t<due>\0<store>\0<timer>\0<key>` the timer
 * index. The due time is padded so that byte order is time order.
 */
type Level = ClassicLevel

/**
 * What LevelDB may hold, a store. It maps the tables it has open, at most 1000 of all the stores of
 * a process: that is its own limit, and the rest it reads by pread. What is mapped counts as
 * resident. So tables of 1 MiB, its least, and not of 2, bound that to 1 GiB. The rate is the same.
 * Fewer open tables would bound it too, but opening them again cost two thirds of the rate
 * (measured, `npm run bench -- memory`).
 */
const LEVEL = {
  maxFileSize: 1024 * 1024,
  maxOpenFiles: 1000,
  cacheSize: 8 * 1024 * 1024,
}

const CHECKPOINT_KEY = 'c'
const DUE_DIGITS = 15
const LOCK_TRIES_MAX = 50
const LOCK_RETRY_MS = 100
const Stored = z.object({
  changelogs: z.record(z.string(), z.number()),
  atMs: z.number(),
  topicIds: z.record(z.string(), z.string()).optional(),
})

const MEGABYTE = 1024 * 1024

/** Of all stores of a process together; a store fills one buffer while another is written out. */
const WRITE_BUFFERS_BYTES_MAX = 64 * MEGABYTE

/**
 * What each of `stores` may collect in memory before it is sorted into files. Keys come in no
 * order, so every file that is written touches all of a store, and a large state is rewritten the
 * more often the smaller the buffer. Measured with a million rows in one store: 16 MiB save 30 % of
 * a record's CPU against LevelDB's own 4 MiB, 32 MiB 45 %. With the same rows in six stores nothing
 * is saved, so more of them share what one would get.
 */
export function writeBufferBytesOf(stores: number): number {
  const each = Math.floor(WRITE_BUFFERS_BYTES_MAX / 2 / Math.max(1, stores))
  return Math.min(32 * MEGABYTE, Math.max(4 * MEGABYTE, each))
}

export function levelStores(
  directory: string,
  sleep: Sleep,
  writeBufferBytes: number = writeBufferBytesOf(Number.POSITIVE_INFINITY),
): StoreFactory {
  const place = (name: string): Place => ({ path: join(directory, name), sleep, writeBufferBytes })
  return {
    open: (name, onWiped) => openStore(place(name), onWiped),
    peek: (name) => peekStore(join(directory, name)),
    destroy: (name) => rm(join(directory, name), { recursive: true, force: true }),
  }
}

interface Place {
  readonly path: string
  readonly sleep: Sleep
  readonly writeBufferBytes: number
}

async function openStore(place: Place, onWiped: (reason: unknown) => void): Promise<Store> {
  try {
    return await readStore(place)
  } catch (error) {
    if (!isBroken(error)) throw error
    onWiped(error)
    await rm(place.path, { recursive: true, force: true })
    return readStore(place)
  }
}

/**
 * Creates nothing, waits for no lock, and mends nothing: whatever is wrong with the store, its
 * owner will say when it opens it.
 */
async function peekStore(path: string): Promise<Checkpoint> {
  // LevelDB would make the folder, though told to create nothing.
  if (!existsSync(path)) return EMPTY_CHECKPOINT
  const db: Level = new ClassicLevel(path, { createIfMissing: false })
  try {
    await db.open()
    return readCheckpoint(await db.get(CHECKPOINT_KEY))
  } catch {
    return EMPTY_CHECKPOINT
  } finally {
    await db.close()
  }
}

/**
 * A former owner in this or another process may still be closing: its lock is waited for, within a
 * bound.
 */
async function readStore({ path, sleep, writeBufferBytes }: Place): Promise<Store> {
  for (let attempt = 1; ; attempt += 1) {
    const db: Level = new ClassicLevel(path, { ...LEVEL, writeBufferSize: writeBufferBytes })
    try {
      await db.open()
      return new LevelStore(db, readCheckpoint(await db.get(CHECKPOINT_KEY)), sleep)
    } catch (error) {
      await db.close().catch(() => undefined)
      if (!isLocked(error) || attempt >= LOCK_TRIES_MAX) throw error
      await sleep(LOCK_RETRY_MS)
    }
  }
}

const readCheckpoint = (encoded: string | undefined): Checkpoint =>
  encoded === undefined ? EMPTY_CHECKPOINT : Stored.parse(JSON.parse(encoded))

/**
 * What it holds cannot be believed. A full disk or a lock is another matter: nothing is lost by it.
 */
const isBroken = (error: unknown): boolean =>
  codesOf(error).includes('LEVEL_CORRUPTION') || error instanceof z.ZodError || error instanceof SyntaxError

const isLocked = (error: unknown): boolean => codesOf(error).includes('LEVEL_LOCKED')

function codesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const code = 'code' in error && typeof error.code === 'string' ? [error.code] : []
  return [...code, ...codesOf(error.cause)]
}

const rowKey = (store: string, key: string): string => `r${store}\0${key}`
const dueKey = (dueMs: number): string => `t${String(Math.max(0, dueMs)).padStart(DUE_DIGITS, '0')}`
const timerKey = (timer: StoredTimer): string =>
  `${dueKey(timer.dueMs)}\0${timer.store}\0${timer.timer}\0${timer.key}`

function readTimer(key: string): StoredTimer {
  const [due = '', store = '', timer = '', ...rest] = key.split('\0')
  return { dueMs: Number(due.slice(1)), store, timer, key: rest.join('\0') }
}

const COUNT_PAGE_KEYS = 2000
const COUNT_PAUSE_MS = 5
/** Past `t`, the padded time and its `\0`. */
const STORE_AT = DUE_DIGITS + 2

const storeOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('utf8', STORE_AT, key.indexOf(0, STORE_AT))

const addOne = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

const unreadable = (error: unknown): StoreCorruptError =>
  error instanceof StoreCorruptError
    ? error
    : new StoreCorruptError('the local store cannot be read', { cause: error })

function put(batch: ReturnType<Level['batch']>, { store, key, encoded, armed, disarmed }: RowChange): void {
  const id = rowKey(store, key)
  if (encoded === undefined) batch.del(id)
  else batch.put(id, seal(id, encoded))
  for (const timer of disarmed) batch.del(timerKey(timer))
  for (const timer of armed) batch.put(timerKey(timer), '')
}

function* putAll(batch: ReturnType<Level['batch']>, changes: readonly RowChange[]): Generator<number, void> {
  for (const change of changes) {
    put(batch, change)
    yield change.encoded?.length ?? 0
  }
}

class LevelStore implements Store {
  readonly #db: Level
  readonly #sleep: Sleep
  #checkpoint: Checkpoint

  constructor(db: Level, checkpoint: Checkpoint, sleep: Sleep) {
    this.#db = db
    this.#sleep = sleep
    this.#checkpoint = checkpoint
  }

  checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  get(store: string, key: string): string | undefined {
    const id = rowKey(store, key)
    try {
      return unsealed(id, this.#db.getSync(id))
    } catch (error) {
      throw unreadable(error)
    }
  }

  async getMany(store: string, keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const ids = keys.map((key) => rowKey(store, key))
    try {
      const sealed = await this.#db.getMany(ids)
      return ids.map((id, at) => unsealed(id, sealed[at]))
    } catch (error) {
      throw unreadable(error)
    }
  }

  async commit(changes: readonly RowChange[], given: Checkpoint): Promise<void> {
    const checkpoint = checkpointAfter(this.#checkpoint, given)
    const batch = this.#db.batch()
    await inSlices(putAll(batch, changes))
    batch.put(CHECKPOINT_KEY, JSON.stringify(checkpoint))
    await this.#write(() => batch.write())
    this.#checkpoint = checkpoint
  }

  /** LevelDB finds broken blocks when it merges files, and refuses every write from then on. */
  async #write(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      if (!codesOf(error).includes('LEVEL_CORRUPTION')) throw error
      throw new StoreCorruptError('the local store is broken', { cause: error })
    }
  }

  async dueTimers(untilMs: number, limit: number): Promise<readonly StoredTimer[]> {
    const keys = await this.#db.keys({ gte: 't', lt: dueKey(untilMs + 1), limit }).all()
    return keys.map(readTimer)
  }

  async dropTimers(timers: readonly StoredTimer[]): Promise<void> {
    if (timers.length === 0) return
    await this.#db.batch(timers.map((timer) => ({ type: 'del' as const, key: timerKey(timer) })))
  }

  async nextDueMs(): Promise<number> {
    const [first] = await this.#db.keys({ gte: 't', lt: 'u', limit: 1 }).all()
    return first === undefined ? Number.POSITIVE_INFINITY : readTimer(first).dueMs
  }

  /**
   * Page by page, with a pause after each: nothing waits for the number, and 10 M keys cost 8 s of
   * CPU (measured).
   */
  async countTimers(signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    const [gte, lt] = [Buffer.from('t'), Buffer.from('u')]
    const keys = this.#db.keys<Uint8Array>({ gte, lt, keyEncoding: 'view' })
    try {
      while (!signal.aborted) {
        const page = await keys.nextv(COUNT_PAGE_KEYS)
        if (page.length === 0) break
        for (const key of page) addOne(counts, storeOf(key))
        await this.#sleep(COUNT_PAUSE_MS, signal)
      }
    } finally {
      await keys.close()
    }
    return counts
  }

  async wipe(): Promise<void> {
    await this.#db.clear()
    this.#checkpoint = EMPTY_CHECKPOINT
  }

  close(): Promise<void> {
    return this.#db.close()
  }
}
