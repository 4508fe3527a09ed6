import { changelogTopicOf } from '../../dsl/topology.ts'
import type { RowChange, Store, StoredTimer } from '../store/store.ts'

/**
 * How many timers a task has pending, by store. The index is counted once after the task has
 * opened, in the background and on a snapshot; what commits change meanwhile and after is added to
 * it. Like the index itself it includes stale entries until they come due, and a restore over an
 * older store may leave it a little high until the next opening.
 */
export class TimerCount {
  #stop = new AbortController()
  #counting: Promise<void> = Promise.resolve()
  #counted: ReadonlyMap<string, number> | undefined
  readonly #changes = new Map<string, number>()

  /** Call before the first commit: what the snapshot holds and what is added must not overlap. */
  open(store: Store): void {
    this.#changes.clear()
    this.#counted = undefined
    this.#stop = new AbortController()
    const { signal } = this.#stop
    this.#counting = store.countTimers(signal).then((counted) => {
      if (!signal.aborted) this.#counted = counted
    })
    // A store that cannot be read says so to the task with its next read; until then the number is
    // unknown.
    this.#counting = this.#counting.catch(() => undefined)
  }

  changed(changes: readonly RowChange[]): void {
    for (const { store, armed, disarmed } of changes) {
      if (armed.length !== disarmed.length) this.#add(store, armed.length - disarmed.length)
    }
  }

  dropped(timers: readonly StoredTimer[]): void {
    for (const { store } of timers) this.#add(store, -1)
  }

  /** By changelog topic; undefined until they have been counted. */
  pendingOf(topology: string): ReadonlyMap<string, number> | undefined {
    if (this.#counted === undefined) return undefined
    const pending = new Map(this.#counted)
    for (const [store, change] of this.#changes) {
      pending.set(store, Math.max(0, (pending.get(store) ?? 0) + change))
    }
    return new Map([...pending].map(([store, count]) => [changelogTopicOf(topology, store), count]))
  }

  /** Resolves when the store is no longer read, so that it can be closed. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#counting
  }

  #add(store: string, change: number): void {
    this.#changes.set(store, (this.#changes.get(store) ?? 0) + change)
  }
}
