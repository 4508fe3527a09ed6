import type { Pool } from 'pg'
import { z } from 'zod'
import { inTransaction } from '../../postgres/pool.ts'
import type { Queryable } from '../../postgres/statement.ts'
import { placeOf, uriOf, type Buckets, type Place } from './store.ts'
import { ARCHIVED, isDue, keyOf, type ArchivedTable } from './tables.ts'

export const STATES = ['PLANNED', 'DETACHED', 'EXPORTED', 'VERIFIED', 'DROPPED'] as const
export type ArchiveState = (typeof STATES)[number]

/** One part of one month of one table: a row of `orch.archive_runs` [DB9]. */
export interface ArchiveRun {
  readonly table: ArchivedTable
  /** Its first day, as in `2026-04-01`. */
  readonly month: string
  readonly part: number
  readonly state: ArchiveState
  /** From EXPORTED on. */
  readonly contents: Contents | undefined
  readonly place: Place
}

/** What a file holds; the digest is that of `digest.ts`. */
export interface Contents {
  readonly rows: number
  readonly sha256: string
}

const Row = z.object({
  table_name: z.string(),
  month: z.string(),
  part: z.number(),
  state: z.enum(STATES),
  rows: z.coerce.number().nullable(),
  sha256: z.string().nullable(),
  object_key: z.string(),
})

const COLUMNS = 'table_name, month::text, part, state, rows, sha256, object_key'

/** Those that are not done, oldest first. */
export async function openRuns(client: Queryable): Promise<readonly ArchiveRun[]> {
  const { rows } = await client.query(
    `SELECT ${COLUMNS} FROM orch.archive_runs WHERE state <> 'DROPPED' ORDER BY month, table_name, part`,
  )
  return z.array(Row).parse(rows).flatMap(runOf)
}

/** Earlier parts of the same month whose rows are in the bucket and nowhere else. */
export async function partsBefore(
  client: Queryable,
  { table, month, part }: ArchiveRun,
): Promise<readonly ArchiveRun[]> {
  const { rows } = await client.query(
    `SELECT ${COLUMNS} FROM orch.archive_runs
     WHERE table_name = $1 AND month = $2::date AND part < $3 AND state IN ('VERIFIED', 'DROPPED') AND rows > 0`,
    [table.name, month, part],
  )
  return z.array(Row).parse(rows).flatMap(runOf)
}

function runOf(row: z.infer<typeof Row>): readonly ArchiveRun[] {
  const table = ARCHIVED.find(({ name }) => name === row.table_name)
  if (table === undefined) return []
  const { month, part, state, rows, sha256 } = row
  const contents = rows === null || sha256 === null ? undefined : { rows, sha256 }
  return [{ table, month, part, state, contents, place: placeOf(row.object_key) }]
}

export interface Planning {
  readonly nowMs: number
  readonly newId: () => string
  readonly buckets: Buckets
}

/**
 * Gives every month that is due, and still part of its table, a run. Under the lock of detaching:
 * a month that another process takes away meanwhile would have a run and no partition.
 */
export const plan = (migrator: Pool, { nowMs, newId, buckets }: Planning): Promise<void> =>
  inTransaction(migrator, async (client) => {
    await client.query('LOCK TABLE orch.archive_runs IN SHARE ROW EXCLUSIVE MODE')
    for (const table of ARCHIVED) {
      const months = (await attachedMonths(client, table)).filter((month) => isDue(table, month, nowMs))
      for (const month of months) {
        const place = { bucket: buckets[table.bucket], key: keyOf(table, month, newId()) }
        await client.query(PLAN, [table.name, month, uriOf(place), new Date(nowMs)])
      }
    }
  })

/** One that waits, because rows of it are in flight, is not planned again. */
const PLAN = `
  INSERT INTO orch.archive_runs (table_name, month, part, state, object_key, updated_at)
  SELECT $1, $2::date, coalesce(max(part), 0) + 1, 'PLANNED', $3, $4
  FROM orch.archive_runs WHERE table_name = $1 AND month = $2::date
  HAVING coalesce(bool_and(state <> 'PLANNED'), true)`

const Partition = z.object({ month: z.string() })

async function attachedMonths(client: Queryable, { name }: ArchivedTable): Promise<readonly string[]> {
  const { rows } = await client.query(
    `SELECT to_char(to_date(right(c.relname, 6), 'YYYYMM'), 'YYYY-MM-DD') AS month
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{6}$' ORDER BY 1`,
    [name],
  )
  return z
    .array(Partition)
    .parse(rows)
    .map(({ month }) => month)
}

/**
 * Whoever changes a run says from what: a second process that has got hold of the same one finds it
 * changed, and stops.
 */
export async function advance(
  client: Queryable,
  { table, month, part }: ArchiveRun,
  change: Change,
): Promise<void> {
  const { rowCount } = await client.query(ADVANCE, [
    table.name,
    month,
    part,
    change.from,
    change.to,
    change.contents?.rows ?? null,
    change.contents?.sha256 ?? null,
    new Date(change.nowMs),
  ])
  if (rowCount !== 1) throw new Overtaken()
}

interface Change {
  readonly from: ArchiveState
  readonly to: ArchiveState
  readonly contents?: Contents
  readonly nowMs: number
}

const ADVANCE = `
  UPDATE orch.archive_runs
  SET state = $5, rows = coalesce($6, rows), sha256 = coalesce($7, sha256), updated_at = $8
  WHERE table_name = $1 AND month = $2::date AND part = $3 AND state = $4`

/** Another process has taken the run further. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}
