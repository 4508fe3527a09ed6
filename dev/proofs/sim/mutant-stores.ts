import type { OutRecord } from '../../../streams/log/port.ts'
import { storeOf } from '../../../streams/runtime/store/mark-rows.ts'
import { timersOf } from '../../../streams/runtime/store/row.ts'
import type { RowChange, Store, StoredTimer, StoreFactory } from '../../../streams/runtime/store/store.ts'
import { MARKS_STORE } from '../../../streams/dsl/topology.ts'
import { taskName } from '../../../streams/runtime/watch/hooks.ts'
import { committing } from './mutant-commits.ts'
import type { Plant } from './process.ts'

/** Mutants that break what the local stores keep. */

/**
 * Timers live in the process: what an earlier one has armed is lost, and a restore brings none
 * back.
 */
export const volatileTimers = (stores: StoreFactory): StoreFactory => ({
  open: async (name, onWiped) => new VolatileTimers(await stores.open(name, onWiped)),
  peek: (name) => stores.peek(name),
  destroy: (name) => stores.destroy(name),
})

class VolatileTimers implements Store {
  readonly #inner: Store
  #timers: StoredTimer[] = []
  #restoring = true

  constructor(inner: Store) {
    this.#inner = inner
  }

  checkpoint() {
    return this.#inner.checkpoint()
  }

  get(store: string, key: string) {
    return this.#inner.get(store, key)
  }

  getMany(store: string, keys: readonly string[]) {
    return this.#inner.getMany(store, keys)
  }

  async commit(changes: readonly RowChange[], checkpoint: Parameters<Store['commit']>[1]): Promise<void> {
    for (const { armed, disarmed } of this.#restoring ? [] : changes) {
      for (const timer of disarmed) this.#timers = this.#timers.filter((one) => !isSame(timer, one))
      this.#timers.push(...armed)
    }
    await this.#inner.commit(
      changes.map((change) => ({ ...change, armed: [], disarmed: [] })),
      checkpoint,
    )
  }

  dueTimers(untilMs: number, limit: number): Promise<readonly StoredTimer[]> {
    const due = this.#timers.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)
    return Promise.resolve(due.slice(0, limit))
  }

  dropTimers(timers: readonly StoredTimer[]): Promise<void> {
    this.#timers = this.#timers.filter((one) => !timers.includes(one))
    return Promise.resolve()
  }

  /** A task asks this when it has restored, and not before. */
  nextDueMs(): Promise<number> {
    this.#restoring = false
    return Promise.resolve(Math.min(...this.#timers.map(({ dueMs }) => dueMs)))
  }

  countTimers(signal: AbortSignal) {
    return this.#inner.countTimers(signal)
  }

  wipe() {
    return this.#inner.wipe()
  }

  close() {
    return this.#inner.close()
  }
}

const isSame = (a: StoredTimer, b: StoredTimer): boolean =>
  a.dueMs === b.dueMs && a.timer === b.timer && a.key === b.key && a.store === b.store

/** What a store answers differs; everything else is the store's own. */
const withDue =
  (dueTimers: (inner: Store, untilMs: number, limit: number) => ReturnType<Store['dueTimers']>) =>
  (stores: StoreFactory): StoreFactory => ({
    open: async (name, onWiped) => {
      const inner = await stores.open(name, onWiped)
      return { ...bound(inner), dueTimers: (untilMs, limit) => dueTimers(inner, untilMs, limit) }
    },
    peek: (name) => stores.peek(name),
    destroy: (name) => stores.destroy(name),
  })

export const bound = (store: Store): Store => ({
  checkpoint: () => store.checkpoint(),
  get: (name, key) => store.get(name, key),
  getMany: (name, keys) => store.getMany(name, keys),
  commit: (changes, checkpoint) => store.commit(changes, checkpoint),
  dueTimers: (untilMs, limit) => store.dueTimers(untilMs, limit),
  dropTimers: (timers) => store.dropTimers(timers),
  nextDueMs: () => store.nextDueMs(),
  countTimers: (signal) => store.countTimers(signal),
  wipe: () => store.wipe(),
  close: () => store.close(),
})

/** Timers get their turn after all records of a round: they are found a look later. */
export function timersAfterRecords(): Plant {
  const looks = new WeakMap<Store, number>()
  return {
    stores: withDue((inner, untilMs, limit) => {
      const look = looks.get(inner) ?? 0
      looks.set(inner, look + 1)
      return look % 2 === 0 ? Promise.resolve([]) : inner.dueTimers(untilMs, limit)
    }),
  }
}

const isMark = ({ topic, key }: OutRecord): boolean =>
  topic.endsWith('-changelog') && storeOf('', String(key)) === MARKS_STORE

/** A round that has said nothing leaves its mark where it was, on the log and in the store. */
export function marksOnlyWithEffects(): Plant {
  /** Of the newest process: tasks whose round has just said nothing, by the name of their store. */
  let newest = new Set<string>()
  return {
    committer: (options) => {
      const silent = new Set<string>()
      newest = silent
      return committing(options, async (part, commit) => {
        const isSilent = part.records.every(isMark)
        const written = await commit(isSilent ? { ...part, records: [] } : part)
        if (isSilent) silent.add(taskName(part.task))
        return written
      })
    },
    stores: (stores) => ({
      open: async (name, onWiped) =>
        withoutMarksOf(await stores.open(name, onWiped), () => newest.delete(name)),
      peek: (name) => stores.peek(name),
      destroy: (name) => stores.destroy(name),
    }),
  }
}

/** The store is written right after the log. */
const withoutMarksOf = (inner: Store, isSilent: () => boolean): Store => ({
  ...bound(inner),
  commit: (changes, checkpoint) => inner.commit(isSilent() ? [] : changes, checkpoint),
})

/** The local store has the rows before it is known whether they will ever be committed. */
export function overlayBeforeCommit(): Plant {
  const opened = new Map<string, Store>()
  return {
    stores: (stores) => ({
      open: async (name, onWiped) => {
        const store = await stores.open(name, onWiped)
        opened.set(name, store)
        return store
      },
      peek: (name) => stores.peek(name),
      destroy: (name) => stores.destroy(name),
    }),
    committer: (options) =>
      committing(options, async (part, commit) => {
        const store = opened.get(taskName(part.task))
        if (store !== undefined) await store.commit(rowsIn(part.records), store.checkpoint())
        return commit(part)
      }),
  }
}

const rowsIn = (records: readonly OutRecord[]): RowChange[] =>
  records.flatMap(({ topic, key, value }) => {
    const store = /^[^-]+-(.+)-changelog$/.exec(topic)?.[1]
    if (store === undefined || key === null) return []
    const encoded = value === null ? undefined : value.toString()
    if (storeOf(store, key.toString()) === MARKS_STORE)
      return [{ store: MARKS_STORE, key: key.toString(), encoded, armed: [], disarmed: [] }]
    const timers = encoded === undefined ? {} : timersOf(encoded)
    const armed = Object.entries(timers).map(([timer, dueMs]) => ({
      dueMs,
      store,
      timer,
      key: key.toString(),
    }))
    return [{ store, key: key.toString(), encoded, armed, disarmed: [] }]
  })
