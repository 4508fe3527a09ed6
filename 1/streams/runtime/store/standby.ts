import { changelogTopicOf, type Topology } from '../../dsl/topology.ts'
import { LogError, partitionKey, type Bounds, type LogReader, type TopicPartition } from '../../log/port.ts'
import type { Clock } from '../clock.ts'
import { taskName, type Hooks, type TaskId } from '../watch/hooks.ts'
import { apply, STALE_AFTER_MS, wipeForeign, wipeStale } from './restore.ts'
import { EMPTY_CHECKPOINT, type Checkpoint, type Store, type StoreFactory } from './store.ts'

export interface StandbyContext {
  readonly topology: Topology
  readonly stores: StoreFactory
  readonly clock: Clock
  readonly hooks: Hooks
  readonly reader: LogReader
  readonly bytesMax: number
}

/** Last stable offsets, and the ids of the topics, by `partitionKey`. */
type Ends = ReadonlyMap<string, Bounds>

const endOf = (ends: Ends, at: TopicPartition): number => ends.get(partitionKey(at))?.end ?? 0

/**
 * A former owner may have seen the answer to its last commit before the markers were written, and
 * is ahead of the last stable offset until they are. A changelog that stays short for longer than
 * any transaction lives has lost records.
 */
const SHORT_MS_MAX = 60_000

/**
 * A copy that has seen the end of its changelogs says so this often, though nothing was written: it
 * has not been away.
 */
const PRESENT_EVERY_MS = STALE_AFTER_MS / 12

/**
 * The local store of a task that another member owns, kept up to date from its changelogs. It reads
 * committed records only, up to the last stable offset; it writes nothing but its own store, moves
 * no cursor and fences nobody. The task that takes the partition over opens the same store and
 * reads the rest, so whatever is missing or late here costs time and nothing else.
 */
export class Standby {
  readonly id: TaskId
  /** Records of the changelogs that are missing; Infinity until the first look. */
  behind = Number.POSITIVE_INFINITY
  readonly #context: StandbyContext
  #store: Store | undefined
  #closed = false
  #shortSinceMs: number | undefined
  /** The last use of the store: closing waits for it, and not for a read that is under way. */
  #use: Promise<unknown> = Promise.resolve()

  constructor(context: StandbyContext, partition: number) {
    this.#context = context
    this.id = { topology: context.topology.name, partition }
  }

  get checkpoint(): Checkpoint {
    return this.#store?.checkpoint() ?? EMPTY_CHECKPOINT
  }

  changelogs(): readonly TopicPartition[] {
    return this.#context.topology.stores.map((store) => this.#changelogOf(store))
  }

  /** One read of each changelog that has grown. Throws what the log or the store throws. */
  async tail(ends: Ends): Promise<void> {
    const { topology, clock } = this.#context
    const store = await this.#opened(ends)
    if (store === undefined) return
    this.#refuseShort(store, ends)
    let behind = 0
    for (const name of topology.stores) {
      behind += await this.#read(store, name, endOf(ends, this.#changelogOf(name)))
    }
    if (this.#closed) return
    this.behind = behind
    const { changelogs, atMs } = store.checkpoint()
    const nowMs = clock.now()
    if (behind > 0 || Math.abs(nowMs - atMs) < PRESENT_EVERY_MS) return
    await this.#using(() => store.commit([], { changelogs, atMs: nowMs }))
  }

  /** Resolves when the store is free for its next user. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#use.catch(() => undefined)
    await this.#store?.close()
  }

  /**
   * After a failure of the store: it is opened anew at the next look, and begun anew when it cannot
   * be believed.
   */
  async reopen(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    await this.#using(async () => store?.close())
  }

  async destroy(): Promise<void> {
    await this.reopen()
    await this.#using(() => this.#context.stores.destroy(taskName(this.id)))
  }

  async #opened(bounds: Ends): Promise<Store | undefined> {
    const { stores, clock, hooks, topology } = this.#context
    const { partition } = this.id
    const nowMs = clock.now()
    const onWiped = (reason: unknown): void => hooks.wiped(this.id, reason)
    if (this.#closed) return undefined
    await this.#using(async () => {
      this.#store ??= await stores.open(taskName(this.id), onWiped)
      await wipeStale(this.#store, nowMs, onWiped)
      await wipeForeign(this.#store, { topology, partition, bounds, nowMs, onWiped })
    })
    return this.#closed ? undefined : this.#store
  }

  #refuseShort(store: Store, ends: Ends): void {
    const nowMs = this.#context.clock.now()
    const short = this.changelogs().find((at, n) => {
      const name = this.#context.topology.stores[n] ?? ''
      return (store.checkpoint().changelogs[name] ?? 0) > endOf(ends, at)
    })
    this.#shortSinceMs = short === undefined ? undefined : (this.#shortSinceMs ?? nowMs)
    if (short === undefined || Math.abs(nowMs - (this.#shortSinceMs ?? nowMs)) <= SHORT_MS_MAX) return
    throw new LogError('fatal', `${short.topic} ends before what the standby has: truncated or recreated`)
  }

  /** Answers how many records are missing afterwards. */
  async #read(store: Store, name: string, end: number): Promise<number> {
    const { reader, bytesMax, clock } = this.#context
    const at = this.#changelogOf(name)
    const from = store.checkpoint().changelogs[name] ?? 0
    if (from >= end || this.#closed) return Math.max(0, end - from)
    const { records, next } = await reader.read(at, from, { bytesMax, waitMs: 0 })
    if (this.#closed) return end - from
    await this.#using(() => apply(store, { name, records, next, nowMs: clock.now() }))
    return Math.max(0, end - next)
  }

  #using<T>(step: () => Promise<T>): Promise<T> {
    const use = step()
    this.#use = use
    return use
  }

  #changelogOf(store: string): TopicPartition {
    const { topology } = this.#context
    return { topic: changelogTopicOf(topology.name, store), partition: this.id.partition }
  }
}
