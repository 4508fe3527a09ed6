import type { ClientBase, Pool } from 'pg'
import { z } from 'zod'
import { inTransaction } from '../../postgres/pool.ts'
import { columnsOf, type ArchiveColumn, type Cell } from './columns.ts'
import { rowDigest } from './digest.ts'
import { parquetFile } from './parquet-file.ts'
import { advance, type ArchiveRun, type Contents } from './runs.ts'
import type { ObjectStore, Upload } from './store.ts'
import { detachedOf } from './tables.ts'

/** Rows of one answer of Postgres; a row may hold a whole receipt. */
const FETCH_ROWS = 1_000

/**
 * DETACHED → EXPORTED. After a crash it is done anew, over the same object: the rows are the same.
 */
export async function exportRows(
  migrator: Pool,
  store: ObjectStore,
  run: ArchiveRun,
  now: () => number,
): Promise<Contents> {
  const detached = detachedOf(run.table, run.month, run.part)
  const upload = await store.upload(run.place)
  try {
    const contents = await inTransaction(migrator, (client) => copy(client, detached, upload))
    await upload.complete()
    await advance(migrator, run, { from: 'DETACHED', to: 'EXPORTED', contents, nowMs: now() })
    return contents
  } catch (error) {
    await upload.abort()
    throw error
  }
}

async function copy(client: ClientBase, detached: string, upload: Upload): Promise<Contents> {
  await client.query(READING)
  const columns = await columnsOf(client, detached)
  const file = parquetFile(columns, upload, detached)
  const digest = rowDigest()
  for await (const rows of rowsOf(client, detached, columns)) {
    digest.add(rows)
    await file.add(rows)
  }
  await file.finish()
  return digest.end()
}

/** Between two fetches is an upload, for which no server may lose its patience. */
export const READING = `SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off;
  SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'`

const Rows = z.array(z.array(z.string().nullable()))

async function* rowsOf(
  client: ClientBase,
  relation: string,
  columns: readonly ArchiveColumn[],
): AsyncGenerator<readonly (readonly Cell[])[]> {
  const names = columns.map(({ name }) => name).join(', ')
  await client.query(`DECLARE archived NO SCROLL CURSOR FOR SELECT ${names} FROM ${relation}`)
  for (;;) {
    const { rows } = await client.query({
      text: `FETCH FORWARD ${FETCH_ROWS} FROM archived`,
      rowMode: 'array',
      types: { getTypeParser: () => (text: string) => text },
    })
    if (rows.length === 0) return
    yield Rows.parse(rows)
  }
}
