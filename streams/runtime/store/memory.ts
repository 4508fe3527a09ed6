import {
  checkpointAfter,
  EMPTY_CHECKPOINT,
  type Checkpoint,
  type RowChange,
  type Store,
  type StoredTimer,
  type StoreFactory,
} from './store.ts'

/**
 * The store in memory, for tests and the simulator. What `open` returns again after a close is what
 * was committed.
 */
export function memoryStores(): StoreFactory & { lose(name: string): void } {
  const stores = new Map<string, MemoryStore>()
  return {
    open: (name) => {
      const store = stores.get(name) ?? new MemoryStore()
      stores.set(name, store)
      return Promise.resolve(store)
    },
    peek: (name) => Promise.resolve(stores.get(name)?.checkpoint() ?? EMPTY_CHECKPOINT),
    destroy: (name) => {
      stores.delete(name)
      return Promise.resolve()
    },
    lose: (name) => {
      stores.delete(name)
    },
  }
}

const timerId = (timer: StoredTimer): string => `${timer.dueMs}\0${timer.store}\0${timer.timer}\0${timer.key}`

class MemoryStore implements Store {
  readonly #rows = new Map<string, string>()
  readonly #timers = new Map<string, StoredTimer>()
  #checkpoint: Checkpoint = EMPTY_CHECKPOINT

  checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  get(store: string, key: string): string | undefined {
    return this.#rows.get(`${store}\0${key}`)
  }

  getMany(store: string, keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return Promise.resolve(keys.map((key) => this.get(store, key)))
  }

  commit(changes: readonly RowChange[], checkpoint: Checkpoint): Promise<void> {
    for (const change of changes) {
      if (change.encoded === undefined) this.#rows.delete(`${change.store}\0${change.key}`)
      else this.#rows.set(`${change.store}\0${change.key}`, change.encoded)
      for (const timer of change.disarmed) this.#timers.delete(timerId(timer))
      for (const timer of change.armed) this.#timers.set(timerId(timer), timer)
    }
    this.#checkpoint = checkpointAfter(this.#checkpoint, checkpoint)
    return Promise.resolve()
  }

  dueTimers(untilMs: number, limit: number): Promise<readonly StoredTimer[]> {
    const due = this.#inOrder().filter((timer) => timer.dueMs <= untilMs)
    return Promise.resolve(due.slice(0, limit))
  }

  dropTimers(timers: readonly StoredTimer[]): Promise<void> {
    for (const timer of timers) this.#timers.delete(timerId(timer))
    return Promise.resolve()
  }

  nextDueMs(): Promise<number> {
    return Promise.resolve(this.#inOrder()[0]?.dueMs ?? Number.POSITIVE_INFINITY)
  }

  countTimers(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const { store } of this.#timers.values()) counts.set(store, (counts.get(store) ?? 0) + 1)
    return Promise.resolve(counts)
  }

  wipe(): Promise<void> {
    this.#rows.clear()
    this.#timers.clear()
    this.#checkpoint = EMPTY_CHECKPOINT
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #inOrder(): StoredTimer[] {
    return [...this.#timers.values()].sort((a, b) => a.dueMs - b.dueMs || (timerId(a) < timerId(b) ? -1 : 1))
  }
}
