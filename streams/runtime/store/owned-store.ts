import type { Topology } from '../../dsl/topology.ts'
import type { Bounds, Cursor, LogClient, LogReader } from '../../log/port.ts'
import type { Clock } from '../clock.ts'
import { changelogsCommitted } from '../task/cursor.ts'
import { taskName, type Hooks, type TaskId } from '../watch/hooks.ts'
import type { TaskLimits } from '../limits.ts'
import { restore } from './restore.ts'
import type { Checkpoint, Store, StoreFactory } from './store.ts'

export interface LocalStoreOptions {
  readonly id: TaskId
  readonly topology: Topology
  readonly log: LogClient
  readonly stores: StoreFactory
  readonly clock: Clock
  readonly hooks: Hooks
  readonly limits: Pick<TaskLimits, 'restoreBytesMax' | 'shortChangelogMsMax'>
}

export interface Restoring {
  readonly committed: ReadonlyMap<string, Cursor>
  /** Of the changelogs, by `partitionKey`. */
  readonly bounds: ReadonlyMap<string, Bounds>
  /** The partition was taken away. */
  readonly signal: AbortSignal
  readonly onProgress: (records: number) => void
}

/**
 * The local store of a task in the hand of its owner: whatever lies there from an earlier ownership
 * or from a standby is opened and brought to the end of its changelogs. It stays open while the
 * task is taken over again.
 */
export class OwnedStore {
  readonly #options: LocalStoreOptions
  readonly #reader: LogReader
  #store: Store | undefined

  constructor(options: LocalStoreOptions) {
    this.#options = options
    this.#reader = options.log.reader()
  }

  /** Where it stands; undefined until it has been opened. */
  get checkpoint(): Checkpoint | undefined {
    return this.#store?.checkpoint()
  }

  /** The owner must have fenced its predecessor before it asked for what is given here. */
  async restored({ committed, bounds, signal, onProgress }: Restoring): Promise<Store> {
    const { id, topology, hooks, clock, limits, stores } = this.#options
    const startedMs = clock.now()
    const onWiped = (reason: unknown): void => hooks.wiped(id, reason)
    this.#store ??= await stores.open(taskName(id), onWiped)
    const records = await restore({
      topology,
      partition: id.partition,
      reader: this.#reader,
      store: this.#store,
      atLeast: changelogsCommitted(committed),
      bytesMax: limits.restoreBytesMax,
      shortMsMax: limits.shortChangelogMsMax,
      bounds,
      onProgress: (done, left) => {
        onProgress(done)
        hooks.restoring(id, { records: done, left, elapsedMs: clock.now() - startedMs })
      },
      sleep: clock.sleep,
      nowMs: startedMs,
      onWiped,
      signal,
    })
    hooks.restored(id, records, clock.now() - startedMs)
    return this.#store
  }

  /** The changelog is the truth: a store that cannot be believed is restored from it. */
  async destroy(reason: unknown): Promise<void> {
    const { id, stores, hooks } = this.#options
    hooks.wiped(id, reason)
    await this.#store?.close()
    this.#store = undefined
    await stores.destroy(taskName(id))
  }

  async close(): Promise<void> {
    await this.#reader.close()
    await this.#store?.close()
  }
}
