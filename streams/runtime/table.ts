import type { z } from 'zod'
import type { Row, Rows } from '../dsl/execute.ts'
import type { Topology } from '../dsl/topology.ts'
import { decodeRow, encodeRow } from './row.ts'
import type { RowChange, Store, StoredTimer } from './store.ts'

/**
 * The rows of a task as its handlers see them: uncommitted writes lie in an overlay over the store and reach it only after
 * their transaction has committed, so a crash or an abort has nothing to undo (architecture: no wipe after a crash).
 *
 * Recently used rows are kept decoded, because the records of one message come close together; the number is bounded.
 */
interface Entry {
  readonly store: string
  readonly key: string
  readonly row: Row | undefined
  readonly before: Row | undefined
}

export class Table implements Rows {
  readonly #schemas: ReadonlyMap<string, z.ZodType>
  readonly #store: Store
  readonly #recentMax: number
  readonly #overlay = new Map<string, Entry>()
  readonly #recent = new Map<string, Row | undefined>()

  constructor(store: Store, schemas: ReadonlyMap<string, z.ZodType>, recentMax: number) {
    this.#store = store
    this.#schemas = schemas
    this.#recentMax = recentMax
  }

  get pending(): number {
    return this.#overlay.size
  }

  read(store: string, key: string): Row | undefined {
    const id = idOf(store, key)
    const written = this.#overlay.get(id)
    return written === undefined ? this.#committed(store, key, id) : written.row
  }

  write(store: string, key: string, row: Row | undefined): void {
    const id = idOf(store, key)
    const written = this.#overlay.get(id)
    const before = written === undefined ? this.#committed(store, key, id) : written.before
    this.#overlay.set(id, { store, key, row, before })
  }

  /** What this transaction must write to the changelog and, once committed, to the store. */
  changes(): readonly RowChange[] {
    return [...this.#overlay.values()].map((entry) => ({
      store: entry.store,
      key: entry.key,
      encoded: entry.row === undefined ? undefined : encodeRow(entry.row),
      armed: timersIn(entry, entry.row, entry.before),
      disarmed: timersIn(entry, entry.before, entry.row),
    }))
  }

  /** After the store took the changes. */
  applied(): void {
    for (const [id, entry] of this.#overlay) this.#remember(id, entry.row)
    this.#overlay.clear()
  }

  /** After a failed commit: the handlers' writes never happened. */
  dropped(): void {
    this.#overlay.clear()
  }

  #committed(store: string, key: string, id: string): Row | undefined {
    if (this.#recent.has(id)) {
      const row = this.#recent.get(id)
      this.#recent.delete(id)
      this.#recent.set(id, row)
      return row
    }
    const encoded = this.#store.get(store, key)
    const row = encoded === undefined ? undefined : decodeRow(encoded, this.#schemaOf(store))
    this.#remember(id, row)
    return row
  }

  #remember(id: string, row: Row | undefined): void {
    this.#recent.delete(id)
    this.#recent.set(id, row)
    if (this.#recent.size <= this.#recentMax) return
    for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest)
      return
    }
  }

  #schemaOf(store: string): z.ZodType {
    const schema = this.#schemas.get(store)
    if (schema === undefined) throw new Error(`no processor keeps a store ${store}`)
    return schema
  }
}

const idOf = (store: string, key: string): string => `${store}\0${key}`

/** Timers that stand in `row` and not, at the same instant, in `other`. */
function timersIn(entry: Entry, row: Row | undefined, other: Row | undefined): readonly StoredTimer[] {
  if (row === undefined) return NONE
  const found: StoredTimer[] = []
  for (const timer in row.timers) {
    const dueMs = row.timers[timer]
    if (dueMs === undefined || other?.timers[timer] === dueMs) continue
    found.push({ dueMs, store: entry.store, timer, key: entry.key })
  }
  return found
}

const NONE: readonly StoredTimer[] = []

/** With the schemas of all that the topology keeps. */
export function tableOf(topology: Topology, store: Store, recentMax: number): Table {
  const schemas = topology.processors.flatMap(({ state }) =>
    state === undefined ? [] : [[state.store, state.schema] as const],
  )
  return new Table(store, new Map(schemas), recentMax)
}
