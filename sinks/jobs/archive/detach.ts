import { DatabaseError, type ClientBase, type Pool } from 'pg'
import { z } from 'zod'
import { inTransaction } from '../../postgres/pool.ts'
import type { Queryable } from '../../postgres/statement.ts'
import { rowDigest } from './digest.ts'
import { advance, type ArchiveRun } from './runs.ts'
import { detachedOf, partitionOf } from './tables.ts'

/**
 * The table is locked against everybody for the moment of detaching. Whoever comes meanwhile waits
 * as long as this at most.
 */
const LOCK_TIMEOUT = '1s'
const TRIES_MAX = 10
const BETWEEN_TRIES_MS = 3_000

/** Kept: so many of its rows are in flight. */
export type Detached =
  | { readonly kind: 'kept'; readonly rows: number }
  | { readonly kind: 'detached' | 'empty' }

export interface DetachMeans {
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/**
 * PLANNED → DETACHED [DB71]. The partition leaves its table, and its name, in the transaction that
 * says so. From here on nobody can change a row of it: no role has a grant on a partition [DB44].
 *
 * A month without a row is over with that, and leaves no object.
 */
export async function detach(migrator: Pool, run: ArchiveRun, means: DetachMeans): Promise<Detached> {
  const { table, month } = run
  const partition = partitionOf(table, month)
  const rows = await inFlight(migrator, run)
  if (rows > 0) return { kind: 'kept', rows }
  if (table.inFlight.length > 0) await indexInFlight(migrator, partition, table.inFlight)
  for (let tries = 1; ; tries++) {
    try {
      return await inTransaction(migrator, (client) => detachLocked(client, run, means.now()))
    } catch (error) {
      if (!isLockTimeout(error) || tries >= TRIES_MAX) throw error
      await means.sleep(BETWEEN_TRIES_MS)
    }
  }
}

async function detachLocked(client: ClientBase, run: ArchiveRun, nowMs: number): Promise<Detached> {
  const { table, month, part } = run
  const partition = partitionOf(table, month)
  const detached = detachedOf(table, month, part)
  await client.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`)
  // In the order in which the makers of months lock.
  await client.query('LOCK TABLE orch.archive_runs IN SHARE ROW EXCLUSIVE MODE')
  await client.query(`LOCK TABLE ONLY ${table.name} IN ACCESS EXCLUSIVE MODE`)
  // A dead letter that was replayed since the first look goes on [T12]: its message must stay.
  await client.query('SET LOCAL enable_seqscan = off')
  const rows = await inFlight(client, run)
  if (rows > 0) return { kind: 'kept', rows }
  await client.query(`ALTER TABLE ${table.name} DETACH PARTITION ${partition}`)
  await client.query(`ALTER TABLE ${partition} RENAME TO ${detached.slice(detached.indexOf('.') + 1)}`)
  // So that `row_security = off` fails, instead of hiding rows, should a policy ever apply.
  await client.query(`ALTER TABLE ${detached} NO FORCE ROW LEVEL SECURITY`)
  await advance(client, run, { from: 'PLANNED', to: 'DETACHED', nowMs })
  if ((await client.query(`SELECT FROM ${detached} LIMIT 1`)).rowCount !== 0) return { kind: 'detached' }
  await client.query(`DROP TABLE ${detached}`)
  await advance(client, run, { from: 'DETACHED', to: 'DROPPED', contents: NOTHING, nowMs })
  return { kind: 'empty' }
}

const NOTHING = rowDigest().end()

const Count = z.object({ count: z.coerce.number() })

async function inFlight(client: Queryable, { table, month }: ArchiveRun): Promise<number> {
  if (table.inFlight.length === 0) return 0
  const { rows } = await client.query(
    `SELECT count(*) FROM ${partitionOf(table, month)} WHERE ${among(table.inFlight)}`,
  )
  return Count.parse(rows[0]).count
}

/**
 * With it the second look, under the lock, need not go through the month. Of this partition alone:
 * an index on the table would cost every submit. One that a crash has left half built is of no use.
 */
async function indexInFlight(migrator: Pool, partition: string, statuses: readonly string[]): Promise<void> {
  const name = `${partition}_in_flight`
  await migrator.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`)
  await migrator.query(
    `CREATE INDEX CONCURRENTLY ${name.slice(name.indexOf('.') + 1)} ON ${partition} (status) WHERE ${among(statuses)}`,
  )
}

/** Statuses are our own words, never input. */
const among = (statuses: readonly string[]): string =>
  `status IN (${statuses.map((status) => `'${status}'`).join(', ')})`

const isLockTimeout = (error: unknown): boolean => error instanceof DatabaseError && error.code === '55P03'
