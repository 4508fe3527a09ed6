import type { Pool } from 'pg'
import { z } from 'zod'
import type { Job } from './schedule.ts'
import { dailyAt, everyQuarter } from './schedule.ts'

/** Rows of one statement: it must not hold locks for long, nor fill the log of a replica. */
const BATCH_MAX = 5_000

/** [DB64] to [DB66], [DB72]. Expired keys count as absent already, so nobody waits for this. */
export const purge: Job = {
  name: 'purge',
  schedule: dailyAt(2, 0),
  run: async ({ migrator, relay }, { nowMs }) => {
    const now = new Date(nowMs)
    let rows = await purgeKeys(relay, now)
    const old = monthsBefore(now, 13)
    for (const [table, column] of AUDITS) rows += await deleteWhere(migrator, table, `${column} < $1`, old)
    const month = new Date(nowMs - 30 * 86_400_000)
    // Most have their receipt; of those that have none the sweep has made EXPIRED ones.
    rows += await deleteWhere(migrator, CORRELATIONS, `status <> 'SUBMITTED' AND expires_at < $1`, month)
    // Nobody has let them go meanwhile, and what they say is personal data.
    return rows + (await deleteWhere(migrator, 'orch.outbox', `dead_at < $1`, month))
  },
}

const CORRELATIONS = 'smpp.message_correlations'

/** Kept for 13 months [DB65]. */
const AUDITS = [
  ['orch.dead_letters', 'failed_at'],
  ['orch.admin_actions', 'at'],
  ['dlr.audit_log', 'at'],
  ['dlr.quarantine_releases', 'released_at'],
  ['dlr.quarantine_daily', 'day'],
] as const

const SLICE_MS = 3_600_000
const Oldest = z.object({ oldest: z.date().nullable() })

/** An hour of them at a time: of the keys `orch_relay` may read nothing but when they expire. */
async function purgeKeys(relay: Pool, now: Date): Promise<number> {
  for (let deleted = 0; ; ) {
    const { rows } = await relay.query('SELECT min(expires_at) AS oldest FROM orch.idempotency_keys')
    const { oldest } = Oldest.parse(rows[0])
    if (oldest === null || oldest >= now) return deleted
    const slice = new Date(Math.min(oldest.getTime() + SLICE_MS, now.getTime()))
    const result = await relay.query('DELETE FROM orch.idempotency_keys WHERE expires_at < $1', [slice])
    deleted += result.rowCount ?? 0
  }
}

/** Names are ours, never input. */
const deleteWhere = (pool: Pool, table: string, where: string, before: Date) =>
  inBatches(pool, `DELETE FROM ${table}`, table, where, before)

/** Whoever changes a row meanwhile keeps it: the condition is looked at again under its lock. */
async function inBatches(
  pool: Pool,
  action: string,
  table: string,
  where: string,
  before: Date,
): Promise<number> {
  const text = `${action} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE ${where} LIMIT ${BATCH_MAX})) AND ${where}`
  let rows = 0
  for (let changed = BATCH_MAX; changed > 0; rows += changed)
    changed = (await pool.query(text, [before])).rowCount ?? 0
  return rows
}

/** The same day of an earlier month; its last day where it has no such day. */
export function monthsBefore(at: Date, months: number): Date {
  const before = new Date(at)
  before.setUTCMonth(before.getUTCMonth() - months + 1, 0)
  before.setUTCDate(Math.min(at.getUTCDate(), before.getUTCDate()))
  return before
}

/** [DB66], [DB73] */
export const correlationSweep: Job = {
  name: 'correlation-sweep',
  schedule: everyQuarter,
  run: ({ smpp }, { nowMs }) =>
    inBatches(
      smpp,
      `UPDATE ${CORRELATIONS} SET status = 'EXPIRED'`,
      CORRELATIONS,
      `status = 'SUBMITTED' AND expires_at < $1`,
      new Date(nowMs),
    ),
}
