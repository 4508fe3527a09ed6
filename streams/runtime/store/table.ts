import type { z } from 'zod'
import type { Row, Rows } from '../../dsl/execute.ts'
import type { Topology } from '../../dsl/topology.ts'
import { RecentRows } from './recent-rows.ts'
import { decodeRow, encodeRow } from './row.ts'
import type { RowChange, Store, StoredTimer } from './store.ts'

/**
 * The rows of a task as its handlers see them. Uncommitted writes lie in an overlay over the store.
 * They reach it only after their transaction has committed, so a crash or an abort has nothing to
 * undo (ARCHITECTURE.md, section 3).
 *
 * Recently used rows are kept decoded, because the records of one message come close together; the
 * number is bounded.
 */
interface Entry {
  row: Row | undefined
  readonly before: Row | undefined
}

export class Table implements Rows {
  /** By store: a name joined to a key would be a string to build and to hash for every look. */
  readonly #stores: ReadonlyMap<string, StoreRows>

  constructor(store: Store, schemas: ReadonlyMap<string, z.ZodType>, recentMax: number) {
    const recentEachMax = Math.floor(recentMax / Math.max(1, schemas.size))
    this.#stores = new Map(
      [...schemas].map(([name, schema]) => [name, new StoreRows(store, name, schema, recentEachMax)]),
    )
  }

  get pending(): number {
    let pending = 0
    for (const rows of this.#stores.values()) pending += rows.overlay.size
    return pending
  }

  read(store: string, key: string): Row | undefined {
    return this.#of(store).read(key)
  }

  write(store: string, key: string, row: Row | undefined): void {
    this.#of(store).write(key, row)
  }

  /** What this transaction must write to the changelog and, once committed, to the store. */
  changes(): readonly RowChange[] {
    return [...this.#stores.values()].flatMap((rows) => rows.changes())
  }

  /** After the store took the changes. */
  applied(): void {
    for (const rows of this.#stores.values()) rows.applied()
  }

  /** After a failed commit: the handlers' writes never happened. */
  dropped(): void {
    for (const rows of this.#stores.values()) rows.overlay.clear()
  }

  #of(store: string): StoreRows {
    const rows = this.#stores.get(store)
    if (rows === undefined) throw new Error(`no processor keeps a store ${store}`)
    return rows
  }
}

class StoreRows {
  readonly overlay = new Map<string, Entry>()
  readonly #store: Store
  readonly #name: string
  readonly #schema: z.ZodType
  readonly #recent: RecentRows

  constructor(store: Store, name: string, schema: z.ZodType, recentMax: number) {
    this.#store = store
    this.#name = name
    this.#schema = schema
    this.#recent = new RecentRows(recentMax)
  }

  read(key: string): Row | undefined {
    const written = this.overlay.get(key)
    return written === undefined ? this.#committed(key) : written.row
  }

  write(key: string, row: Row | undefined): void {
    const written = this.overlay.get(key)
    if (written === undefined) this.overlay.set(key, { row, before: this.#committed(key) })
    else written.row = row
  }

  changes(): readonly RowChange[] {
    return Array.from(this.overlay, ([key, { row, before }]) => ({
      store: this.#name,
      key,
      encoded: row === undefined ? undefined : encodeRow(row),
      armed: this.#timersIn(key, row, before),
      disarmed: this.#timersIn(key, before, row),
    }))
  }

  applied(): void {
    for (const [key, entry] of this.overlay) this.#recent.set(key, entry.row ?? null)
    this.overlay.clear()
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
export function tableOf(topology: Topology, store: Store, recentMax: number): Table {
  const schemas = topology.processors.flatMap(({ state }) =>
    state === undefined ? [] : [[state.store, state.schema] as const],
  )
  return new Table(store, new Map(schemas), recentMax)
}
