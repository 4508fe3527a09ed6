import type { Topology } from '../../dsl/topology.ts'
import type { Bounds, Cursor, LogReader } from '../../log/port.ts'
import type { Clock } from '../clock.ts'
import { changelogsCommitted } from '../opening/cursor.ts'
import { taskName, type Hooks, type TaskId } from '../watch/hooks.ts'
import type { TaskLimits } from '../limits.ts'
import { restore } from './restore.ts'
import {
  StoreCorruptError,
  StoreFailedError,
  type Checkpoint,
  type Store,
  type StoreFactory,
} from './store.ts'

export interface LocalStoreOptions {
  readonly id: TaskId
  readonly topology: Topology
  /** Not of this store alone. */
  readonly reader: LogReader
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
  #store: Store | undefined
  #failures = 0

  constructor(options: LocalStoreOptions) {
    this.#options = options
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
    this.#store ??= guarded(await failing(() => stores.open(taskName(id), onWiped)))
    const records = await restore({
      topology,
      partition: id.partition,
      reader: this.#options.reader,
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
    this.#failures = 0
    hooks.restored(id, records, clock.now() - startedMs)
    return this.#store
  }

  /**
   * After an error of the store: it is let go of, to be opened anew. One that cannot be believed is
   * destroyed, because the changelog is the truth; so is one that fails every time that it is
   * opened, unless another process has it.
   */
  async letGo(error: StoreCorruptError | StoreFailedError): Promise<void> {
    const { id, stores, hooks } = this.#options
    const store = this.#store
    this.#store = undefined
    this.#failures += 1
    // What it failed with is known already.
    await store?.close().catch(() => undefined)
    if (!(error instanceof StoreCorruptError) && (this.#failures % FAILURES_MAX !== 0 || isTaken(error)))
      return
    hooks.wiped(id, error)
    await stores.destroy(taskName(id))
  }

  async close(): Promise<void> {
    await this.#store?.close()
  }
}

/** So often in a row it is opened as it is. */
const FAILURES_MAX = 8

const isTaken = (error: unknown): boolean =>
  error instanceof Error && (('code' in error && error.code === 'LEVEL_LOCKED') || isTaken(error.cause))

async function failing<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    throw failed(error)
  }
}

const failed = (error: unknown): Error =>
  error instanceof StoreCorruptError
    ? error
    : new StoreFailedError('the local store failed', { cause: error })

/** Its errors are told apart from those of handlers and of the log. */
const guarded = (store: Store): Store => ({
  checkpoint: () => store.checkpoint(),
  get: (name, key) => {
    try {
      return store.get(name, key)
    } catch (error) {
      throw failed(error)
    }
  },
  getMany: (name, keys) => failing(() => store.getMany(name, keys)),
  commit: (changes, checkpoint) => failing(() => store.commit(changes, checkpoint)),
  dueTimers: (untilMs, limit) => failing(() => store.dueTimers(untilMs, limit)),
  dropTimers: (timers) => failing(() => store.dropTimers(timers)),
  nextDueMs: () => failing(() => store.nextDueMs()),
  countTimers: (signal) => failing(() => store.countTimers(signal)),
  wipe: () => failing(() => store.wipe()),
  close: () => store.close(),
})
