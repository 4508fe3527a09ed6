import type { z } from 'zod'
import type { Row, Rows } from '../../dsl/execute.ts'
import type { Topology } from '../../dsl/topology.ts'
import type { TaskLimits } from '../limits.ts'
import type { Breath } from '../task/breath.ts'
import { RecentRows, type RowBudget } from './recent-rows.ts'
import { decodeRow, encodeRow } from './row.ts'
import type { RowChange, Store, StoredTimer } from './store.ts'

export interface TableLimits extends Pick<TaskLimits, 'recentRowsMax' | 'rowsFetchedMin'> {
  readonly budget: RowBudget
}

/** Encoded rows that one round fetches ahead, and how many at once; what is over is read singly. */
const FETCHED_CHARS_MAX = 8 * 1024 * 1024
const FETCHED_AT_ONCE = 256

interface Entry {
  row: Row | undefined
  readonly before: Row | undefined
}

/**
 * The rows of a task as its handlers see them. Uncommitted writes lie in an overlay over the store.
 * They reach it only after their transaction has committed, so a crash or an abort has nothing to
 * undo (ARCHITECTURE.md, section 3). While one round commits its overlay is frozen, and the next
 * one writes into another above it.
 *
 * Recently used rows are kept decoded, because the records of one message come close together; the
 * number is bounded.
 */
export class Table implements Rows {
  /** By store: a name joined to a key would be a string to build and to hash for every look. */
  readonly #stores: ReadonlyMap<string, StoreRows>
  /** Told of each timer as soon as a handler has armed it. */
  onArmed: (timer: StoredTimer) => void = () => {}
  readonly #leave: () => void
  readonly #fetchMin: number

  constructor(store: Store, schemas: ReadonlyMap<string, z.ZodType>, limits: TableLimits) {
    this.#leave = limits.budget.enter()
    this.#fetchMin = limits.rowsFetchedMin
    const recentMax = (): number =>
      Math.floor(Math.min(limits.recentRowsMax, limits.budget.eachMax) / Math.max(1, schemas.size))
    const onArmed = (timer: StoredTimer): void => this.onArmed(timer)
    this.#stores = new Map(
      [...schemas].map(([name, schema]) => [name, new StoreRows(store, name, schema, recentMax, onArmed)]),
    )
  }

  get pending(): number {
    let pending = 0
    for (const rows of this.#stores.values()) pending += rows.overlay.size + rows.frozen.size
    return pending
  }

  read(store: string, key: string): Row | undefined {
    return this.#of(store).read(key)
  }

  write(store: string, key: string, row: Row | undefined): void {
    this.#of(store).write(key, row)
  }

  /** A handler of the round that begins will read it. */
  wants(store: string, key: string): void {
    this.#of(store).wants(key)
  }

  /** Fetches what is wanted and not known. The round before must have been frozen. */
  async fetch(): Promise<void> {
    for (const rows of this.#stores.values()) await rows.fetch(this.#fetchMin)
  }

  /**
   * What this transaction must write to the changelog and, once committed, to the store. The one
   * before must have been applied.
   */
  async freeze(breath: Breath): Promise<readonly RowChange[]> {
    const all: RowChange[] = []
    for (const rows of this.#stores.values()) {
      rows.freeze()
      for (const change of rows.changes()) {
        all.push(change)
        if (breath.isDue) await breath.pause()
      }
    }
    return all
  }

  /** After the store took the changes. */
  applied(): void {
    for (const rows of this.#stores.values()) rows.applied()
  }

  /** After a failed commit: the handlers' writes never happened, nor what was built on them. */
  dropped(): void {
    for (const rows of this.#stores.values()) rows.drop()
  }

  /** It is used no more: others may keep its share of rows. */
  close(): void {
    this.#leave()
  }

  #of(store: string): StoreRows {
    const rows = this.#stores.get(store)
    if (rows === undefined) throw new Error(`no processor keeps a store ${store}`)
    return rows
  }
}

class StoreRows {
  overlay = new Map<string, Entry>()
  frozen = new Map<string, Entry>()
  #wanted = new Set<string>()
  /**
   * Of this round, as the store has them. They cannot be outdated: what may still be written to it
   * is frozen, and that comes first.
   */
  #fetched = new Map<string, string | undefined>()
  readonly #store: Store
  readonly #name: string
  readonly #schema: z.ZodType
  readonly #recent: RecentRows
  readonly #onArmed: (timer: StoredTimer) => void

  constructor(
    store: Store,
    name: string,
    schema: z.ZodType,
    recentMax: () => number,
    onArmed: (timer: StoredTimer) => void,
  ) {
    this.#onArmed = onArmed
    this.#store = store
    this.#name = name
    this.#schema = schema
    this.#recent = new RecentRows(recentMax)
  }

  read(key: string): Row | undefined {
    const written = this.overlay.get(key) ?? this.frozen.get(key)
    return written === undefined ? this.#committed(key) : written.row
  }

  wants(key: string): void {
    if (this.#wanted.has(key) || this.overlay.has(key) || this.frozen.has(key)) return
    if (this.#recent.get(key) === undefined) this.#wanted.add(key)
  }

  async fetch(min: number): Promise<void> {
    const keys = [...this.#wanted]
    this.#wanted.clear()
    this.#fetched.clear()
    if (keys.length < min) return
    let chars = 0
    for (let at = 0; at < keys.length && chars < FETCHED_CHARS_MAX; at += FETCHED_AT_ONCE) {
      const some = keys.slice(at, at + FETCHED_AT_ONCE)
      const rows = await this.#store.getMany(this.#name, some)
      for (const [index, key] of some.entries()) {
        this.#fetched.set(key, rows[index])
        chars += rows[index]?.length ?? 0
      }
    }
  }

  write(key: string, row: Row | undefined): void {
    const written = this.overlay.get(key)
    const before = written === undefined ? this.read(key) : written.row
    if (written === undefined) this.overlay.set(key, { row, before })
    else written.row = row
    for (const timer of this.#timersIn(key, row, before)) this.#onArmed(timer)
  }

  *changes(): Generator<RowChange> {
    for (const [key, { row, before }] of this.frozen) {
      yield {
        store: this.#name,
        key,
        encoded: row === undefined ? undefined : encodeRow(row),
        armed: this.#timersIn(key, row, before),
        disarmed: this.#timersIn(key, before, row),
      }
    }
  }

  freeze(): void {
    if (this.frozen.size > 0) throw new Error(`the rows of ${this.#name} that are frozen were not applied`)
    this.#fetched.clear()
    this.frozen = this.overlay
    this.overlay = new Map()
  }

  applied(): void {
    for (const [key, entry] of this.frozen) this.#recent.set(key, entry.row ?? null)
    this.frozen = new Map()
  }

  drop(): void {
    this.#fetched.clear()
    this.overlay.clear()
    this.frozen = new Map()
  }

  #committed(key: string): Row | undefined {
    const known = this.#recent.get(key)
    if (known !== undefined) return known ?? undefined
    const encoded = this.#fetched.has(key) ? this.#fetched.get(key) : this.#store.get(this.#name, key)
    const row = encoded === undefined ? undefined : decodeRow(encoded, this.#schema)
    this.#recent.set(key, row ?? null)
    return row
  }

  /** Timers that stand in `row` and not, at the same instant, in `other`. */
  #timersIn(key: string, row: Row | undefined, other: Row | undefined): readonly StoredTimer[] {
    if (row === undefined) return NONE
    const found: StoredTimer[] = []
    for (const timer in row.timers) {
      const dueMs = row.timers[timer]
      if (dueMs === undefined || other?.timers[timer] === dueMs) continue
      found.push({ dueMs, store: this.#name, timer, key })
    }
    return found
  }
}

const NONE: readonly StoredTimer[] = []

/** With the schemas of all that the topology keeps. */
export function tableOf(topology: Topology, store: Store, limits: TableLimits): Table {
  const schemas = topology.processors.flatMap(({ state }) =>
    state === undefined ? [] : [[state.store, state.schema] as const],
  )
  return new Table(store, new Map(schemas), limits)
}
