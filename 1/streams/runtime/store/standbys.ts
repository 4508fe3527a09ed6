import type { Topology } from '../../dsl/topology.ts'
import { LogError, type LogClient, type LogReader, type Standby as Wanted } from '../../log/port.ts'
import { backoffMs } from '../../platform/backoff.ts'
import type { Clock } from '../clock.ts'
import type { Hooks } from '../watch/hooks.ts'
import type { StandbyLimits } from '../limits.ts'
import { Standby } from './standby.ts'
import { StoreCorruptError, type Checkpoint, type StoreFactory } from './store.ts'
import { Wake } from '../task/wake.ts'

export interface StandbysOptions {
  readonly topology: Topology
  readonly log: LogClient
  readonly stores: StoreFactory
  readonly clock: Clock
  readonly random: () => number
  readonly hooks: Hooks
  readonly limits: StandbyLimits
  /**
   * A copy that was due has caught up. Said again every now and then, until it is not due any more.
   */
  readonly onWarm: () => void
}

const RETRY = { firstMs: 100, maxMs: 1000, jitter: 0.2 }
/** Between two rounds while something is missing: the tasks of this process come first. */
const BREATH_MS = 5
const WARM_AGAIN_MS = 2000

/**
 * All copies that one member keeps of other members' tasks, tailed in turn by one loop over one
 * connection. A round asks once for the ends of all changelogs and reads at most `bytesMax` of each
 * that has grown.
 */
export class Standbys {
  readonly #options: StandbysOptions
  readonly #wake: Wake
  readonly #kept = new Map<number, { readonly standby: Standby; due: boolean }>()
  #reader: LogReader | undefined
  #running: Promise<void> | undefined
  #over = false
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(options: StandbysOptions) {
    this.#options = options
    this.#wake = new Wake(options.clock)
  }

  has(partition: number): boolean {
    return this.#kept.has(partition)
  }

  partitions(): readonly number[] {
    return [...this.#kept.keys()]
  }

  checkpoints(): ReadonlyMap<number, Checkpoint> {
    return new Map([...this.#kept].map(([partition, { standby }]) => [partition, standby.checkpoint]))
  }

  /** Records missing in each copy; Infinity until it has been looked at. */
  behind(): ReadonlyMap<number, number> {
    return new Map([...this.#kept].map(([partition, { standby }]) => [partition, standby.behind]))
  }

  /**
   * Begins to keep a copy, or learns whether it is due now. The store of its partition must be
   * free.
   */
  keep({ partition, due }: Wanted): void {
    if (this.#over) return
    const kept = this.#kept.get(partition)
    if (kept === undefined) {
      const { topology, stores, clock, hooks, limits, log } = this.#options
      this.#reader ??= log.reader()
      const { bytesMax } = limits
      const context = { topology, stores, clock, hooks, bytesMax, reader: this.#reader }
      this.#kept.set(partition, { standby: new Standby(context, partition), due })
    } else kept.due = due
    this.#running ??= this.#run()
    this.#wake.notify()
  }

  /** Resolves when the store is free. */
  async drop(partition: number): Promise<void> {
    const kept = this.#kept.get(partition)
    this.#kept.delete(partition)
    await kept?.standby.close()
  }

  async close(): Promise<void> {
    this.#over = true
    await Promise.all(this.partitions().map((partition) => this.drop(partition)))
    this.#wake.notify()
    await this.#running
    await this.#reader?.close()
  }

  async #run(): Promise<void> {
    const { limits, random } = this.#options
    for (let failures = 0; !this.#over; ) {
      const isDone = await this.#round()
      failures = isDone ? 0 : failures + 1
      if (this.#over) return
      const pauseMs = this.#isBehind() ? BREATH_MS : limits.pollMs
      await this.#wake.wait(failures > 0 ? backoffMs(failures, { ...RETRY, random }) : pauseMs)
    }
  }

  /** False when something failed that may succeed later. */
  async #round(): Promise<boolean> {
    const all = [...this.#kept.values()].map(({ standby }) => standby)
    const [first] = all
    if (first === undefined) return true
    try {
      const ends = await this.#options.log.admin.bounds(all.flatMap((standby) => standby.changelogs()))
      for (const standby of all) if (this.#keeps(standby) && !(await this.#tail(standby, ends))) return false
    } catch (error) {
      this.#options.hooks.standbyFailed(first.id, error)
      return false
    }
    this.#sayWarm()
    return true
  }

  async #tail(standby: Standby, ends: Parameters<Standby['tail']>[0]): Promise<boolean> {
    try {
      await standby.tail(ends)
      return true
    } catch (error) {
      if (!this.#keeps(standby)) return true
      await this.#recover(standby, error)
      return false
    }
  }

  /**
   * A changelog that is shorter than its copy was truncated or recreated: the copy may be all that
   * is left of it and stays as it is, for a person. A store that cannot be believed is a copy and
   * no more: it is begun anew.
   */
  async #recover(standby: Standby, error: unknown): Promise<void> {
    const { hooks } = this.#options
    hooks.standbyFailed(standby.id, error)
    if (error instanceof StoreCorruptError) {
      hooks.wiped(standby.id, error)
      await standby.destroy()
    } else if (!(error instanceof LogError)) await standby.reopen()
    else if (error.code === 'fatal') await this.drop(standby.id.partition)
  }

  #keeps(standby: Standby): boolean {
    return this.#kept.get(standby.id.partition)?.standby === standby
  }

  #isBehind(): boolean {
    return [...this.#kept.values()].some(({ standby }) => standby.behind > 0)
  }

  #sayWarm(): void {
    const nowMs = this.#options.clock.now()
    const isWarm = [...this.#kept.values()].some(({ standby, due }) => due && standby.behind === 0)
    if (!isWarm || Math.abs(nowMs - this.#saidMs) < WARM_AGAIN_MS) return
    this.#saidMs = nowMs
    this.#options.onWarm()
  }
}
