import type { z } from 'zod'
import type { Row, Rows } from '../../dsl/execute.ts'
import type { Topology } from '../../dsl/topology.ts'
import type { Breath } from '../task/breath.ts'
import { RecentRows, type RowBudget } from './recent-rows.ts'
import { decodeRow, encodeRow } from './row.ts'
import type { RowChange, Store, StoredTimer } from './store.ts'

export interface RecentLimits {
  /** Of this table. */
  readonly max: number
  readonly budget: RowBudget
}

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

  constructor(store: Store, schemas: ReadonlyMap<string, z.ZodType>, recent: RecentLimits) {
    this.#leave = recent.budget.enter()
    const recentMax = (): number =>
      Math.floor(Math.min(recent.max, recent.budget.eachMax) / Math.max(1, schemas.size))
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
    this.frozen = this.overlay
    this.overlay = new Map()
  }

  applied(): void {
    for (const [key, entry] of this.frozen) this.#recent.set(key, entry.row ?? null)
    this.frozen = new Map()
  }

  drop(): void {
    this.overlay.clear()
    this.frozen = new Map()
  }

  #committed(key: string): Row | undefined {
    const known = this.#recent.get(key)
    if (known !== undefined) return known ?? undefined
    const encoded = this.#store.get(this.#name, key)
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
export function tableOf(topology: Topology, store: Store, recent: RecentLimits): Table {
  const schemas = topology.processors.flatMap(({ state }) =>
    state === undefined ? [] : [[state.store, state.schema] as const],
  )
  return new Table(store, new Map(schemas), recent)
}
