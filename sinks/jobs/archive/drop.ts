import type { Pool } from 'pg'
import { inTransaction } from '../../postgres/pool.ts'
import { advance, type ArchiveRun } from './runs.ts'
import { detachedOf } from './tables.ts'

/** VERIFIED → DROPPED: the table goes in the transaction that says so. */
export const drop = (migrator: Pool, run: ArchiveRun, now: () => number): Promise<void> =>
  inTransaction(migrator, async (client) => {
    await client.query(`SET LOCAL lock_timeout = '5s'`)
    await advance(client, run, { from: 'VERIFIED', to: 'DROPPED', nowMs: now() })
    await client.query(`DROP TABLE ${detachedOf(run.table, run.month, run.part)}`)
  })
