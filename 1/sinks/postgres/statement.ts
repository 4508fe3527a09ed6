import { DatabaseError, type ClientBase } from 'pg'
import { storableInstant, storableText } from './storable.ts'

/** Enough of a connection or a pool to run a statement. */
export type Queryable = Pick<ClientBase, 'query'>

/**
 * A statement did not do its work. The text names only the operation and the SQLSTATE: what
 * Postgres says quotes values, and values are personal data.
 */
export class StatementFailed extends Error {
  override readonly name = 'StatementFailed'
  readonly operation: string
  readonly code: string
  /**
   * A row's month has no partition: of all check violations the only one that names no constraint.
   */
  readonly lacksPartition: boolean

  constructor(operation: string, code: string, constraint?: string) {
    super(`${operation} failed (${code})`)
    this.operation = operation
    this.code = code
    this.lacksPartition = code === CHECK_VIOLATION && constraint === undefined
  }

  /**
   * The record is at fault and not the database: values and constraints, classes 22 and 23 [DB77].
   */
  get isPoison(): boolean {
    return ['22', '23'].includes(this.code.slice(0, 2))
  }
}

const CHECK_VIOLATION = '23514'

type ColumnType = 'uuid' | 'text' | 'timestamptz' | 'integer' | 'boolean' | 'jsonb'
type Cell = string | number | boolean | null

/** One column of a multi-row statement: its name, its type, and where its value stands in a row. */
export interface Column<R> {
  readonly name: string
  readonly type: ColumnType
  readonly of: (row: R) => Cell
}

/**
 * The rows travel as one array a column: COPY is refused under row-level security. The text stays
 * the same for any count of rows.
 */
export const unnested = <R>(columns: readonly Column<R>[]): string =>
  `unnest(${columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')})`

export const namesOf = <R>(columns: readonly Column<R>[]): string =>
  columns.map(({ name }) => name).join(', ')

/**
 * A prepared statement over many rows; `operation` names it in Postgres, in metrics and in errors.
 * Returns the rows changed or found.
 */
export function statement<R>(
  operation: string,
  text: string,
  columns: readonly Column<R>[],
): (client: Queryable, rows: readonly R[]) => Promise<number> {
  return async (client, rows) => {
    if (rows.length === 0) return 0
    const values = columns.map(({ type, of }) => rows.map((row) => cell(type, of(row))))
    try {
      const { rowCount } = await client.query({ name: operation, text, values })
      return rowCount ?? 0
    } catch (error) {
      if (error instanceof DatabaseError)
        throw new StatementFailed(operation, error.code ?? 'unknown', error.constraint)
      throw error
    }
  }
}

function cell(type: ColumnType, value: Cell): Cell {
  if (typeof value !== 'string') return value
  return type === 'timestamptz' ? storableInstant(value) : storableText(value)
}

/** INSERT … ON CONFLICT DO NOTHING: what is there stays as it is. */
export function insertOnce<R>(
  table: string,
  columns: readonly Column<R>[],
): (client: Queryable, rows: readonly R[]) => Promise<number> {
  const text = `INSERT INTO ${table} (${namesOf(columns)})
    SELECT * FROM ${unnested(columns)} ON CONFLICT DO NOTHING`
  return statement(`insert ${table}`, text, columns)
}
