import type { Pool } from 'pg'
import { z } from 'zod'
import { inTransaction } from '../../postgres/pool.ts'
import { columnsOf } from './columns.ts'
import { rowDigest } from './digest.ts'
import { READING } from './export.ts'
import { rowsIn } from './read-back.ts'
import { advance, type ArchiveRun, type Contents } from './runs.ts'
import { StoreFailed, type ObjectStore } from './store.ts'
import { detachedOf } from './tables.ts'

/** The file is not what the table is. The text counts and compares, and quotes nothing of a row. */
export class ArchiveMismatch extends Error {
  override readonly name = 'ArchiveMismatch'
}

/**
 * EXPORTED → VERIFIED: the file is read back from S3 row by row, and compared with what left
 * Postgres and with how many rows the table has now.
 *
 * @throws ArchiveMismatch, after the run has gone back to DETACHED: the next one exports it anew.
 */
export async function verify(
  migrator: Pool,
  store: ObjectStore,
  run: ArchiveRun,
  now: () => number,
): Promise<void> {
  const difference = await differenceOf(migrator, store, run)
  const nowMs = now()
  if (difference === undefined) return advance(migrator, run, { from: 'EXPORTED', to: 'VERIFIED', nowMs })
  await advance(migrator, run, { from: 'EXPORTED', to: 'DETACHED', nowMs })
  throw new ArchiveMismatch(difference)
}

const Count = z.object({ count: z.coerce.number() })

async function differenceOf(
  migrator: Pool,
  store: ObjectStore,
  { table, month, part, place, contents }: ArchiveRun,
): Promise<string | undefined> {
  const detached = detachedOf(table, month, part)
  const { columns, count } = await inTransaction(migrator, async (client) => {
    await client.query(READING)
    const { rows } = await client.query(`SELECT count(*) FROM ${detached}`)
    return { columns: await columnsOf(client, detached), count: Count.parse(rows[0]).count }
  })
  const groups = await rowsIn(store, place, columns)
  if (groups === undefined) return 'there is no such object'
  const read = await digestOf(groups)
  if (typeof read === 'string') return read
  if (read.rows !== count) return `the file has ${read.rows} rows, the table has ${count}`
  const isSame = read.rows === contents?.rows && read.sha256 === contents.sha256
  return isSame ? undefined : 'the rows of the file are not those that left the table'
}

async function digestOf(groups: AsyncGenerator<Parameters<ReturnType<typeof rowDigest>['add']>[0]>) {
  const digest = rowDigest()
  try {
    for await (const rows of groups) digest.add(rows)
  } catch (error) {
    if (error instanceof StoreFailed) throw error
    // Whatever the reader says of a broken file may quote what it found in it.
    return 'the object is no file that can be read'
  }
  const contents: Contents = digest.end()
  return contents
}
