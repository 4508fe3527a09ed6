import type { Pool } from 'pg'
import { z } from 'zod'
import { columnsOf, type ArchiveColumn, type Cell } from './columns.ts'
import { rowsIn } from './read-back.ts'
import { partsBefore, type ArchiveRun } from './runs.ts'
import type { ObjectStore } from './store.ts'
import { detachedOf } from './tables.ts'

/**
 * A sink that reads its log anew [P6] brings rows of a month that is in S3 already: to Postgres
 * they are new. What an earlier part holds goes from the later one before it is exported, so that
 * the archive has each row once. Only keys are read, and a later part is small.
 */
export async function dropRepeats(migrator: Pool, store: ObjectStore, run: ArchiveRun): Promise<void> {
  const detached = detachedOf(run.table, run.month, run.part)
  const key = await keyOf(migrator, detached)
  for (const { place } of await partsBefore(migrator, run)) {
    // After a year its rule has taken it, and nobody can tell any more.
    const groups = await rowsIn(store, place, key)
    if (groups === undefined) continue
    for await (const rows of groups) await remove(migrator, detached, key, rows)
  }
}

const Name = z.object({ name: z.string() })

async function keyOf(migrator: Pool, relation: string): Promise<readonly ArchiveColumn[]> {
  const { rows } = await migrator.query(
    `SELECT a.attname AS name FROM pg_index i
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::regclass AND i.indisprimary`,
    [relation],
  )
  const names = new Set(
    z
      .array(Name)
      .parse(rows)
      .map(({ name }) => name),
  )
  return (await columnsOf(migrator, relation)).filter(({ name }) => names.has(name))
}

async function remove(
  migrator: Pool,
  relation: string,
  key: readonly ArchiveColumn[],
  rows: readonly (readonly Cell[])[],
): Promise<void> {
  const names = key.map(({ name }) => name).join(', ')
  const arrays = key.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')
  await migrator.query(
    `DELETE FROM ${relation} WHERE (${names}) IN (SELECT * FROM unnest(${arrays}))`,
    key.map((_, index) => rows.map((row) => row[index] ?? null)),
  )
}
