import { memoryStores } from '../../../streams/runtime/store/memory.ts'
import type { Store, StoreFactory } from '../../../streams/runtime/store/store.ts'

/** Takes a turn of the process in the scheduler; never comes back once the process is dead. */
export type Turn = () => Promise<void>

export interface Kept {
  readonly store: Store
  /**
   * Every `store\0key` that was ever written: the port cannot list rows, and a row too many must be
   * seen.
   */
  readonly keys: Set<string>
}

/** The local stores of one machine: they outlive its processes, unless they are lost. */
export class Disk {
  readonly #stores = memoryStores()
  readonly #kept = new Map<string, Kept>()

  find(name: string): Kept | undefined {
    return this.#kept.get(name)
  }

  get names(): readonly string[] {
    return [...this.#kept.keys()]
  }

  lose(name: string): void {
    this.#stores.lose(name)
    this.#kept.delete(name)
  }

  /**
   * As one process sees it. Each write is a step of its own, so that a crash may fall before and
   * after it. A store has one user at a time, as one that is locked: else a standby and the task
   * that has taken over from it might both write it.
   */
  stores(turn: Turn, onOpenedTwice: (name: string) => void): StoreFactory {
    const open = new Set<string>()
    return {
      open: async (name, onWiped) => {
        await turn()
        if (open.has(name)) onOpenedTwice(name)
        open.add(name)
        const store = await this.#stores.open(name, onWiped)
        const kept = this.#kept.get(name) ?? { store, keys: new Set<string>() }
        this.#kept.set(name, kept)
        return stepwise(kept, turn, () => open.delete(name))
      },
      peek: async (name) => {
        await turn()
        return this.#stores.peek(name)
      },
      destroy: async (name) => {
        await turn()
        this.lose(name)
      },
    }
  }
}

const stepwise = ({ store, keys }: Kept, turn: Turn, onClosed: () => void): Store => ({
  checkpoint: () => store.checkpoint(),
  get: (name, key) => store.get(name, key),
  getMany: async (name, fetched) => {
    const rows = await store.getMany(name, fetched)
    // They may be outdated when they arrive.
    await turn()
    return rows
  },
  commit: async (changes, checkpoint) => {
    await turn()
    for (const change of changes) keys.add(`${change.store}\0${change.key}`)
    await store.commit(changes, checkpoint)
  },
  dueTimers: (untilMs, limit) => store.dueTimers(untilMs, limit),
  dropTimers: async (timers) => {
    if (timers.length > 0) await turn()
    await store.dropTimers(timers)
  },
  nextDueMs: () => store.nextDueMs(),
  countTimers: (signal) => store.countTimers(signal),
  wipe: () => store.wipe(),
  close: async () => {
    await turn()
    await store.close()
    onClosed()
  },
})
