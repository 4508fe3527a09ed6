import type { Pool } from 'pg'
import { z } from 'zod'
import type { Job } from './schedule.ts'
import { dailyAt, everyQuarter } from './schedule.ts'

/** Rows of one DELETE: it must not hold locks for long, nor fill the log of a replica. */
const BATCH_MAX = 5_000

/** [DB64] to [DB66], [DB72]. Expired keys count as absent already, so nobody waits for this. */
export const purge: Job = {
  name: 'purge',
  schedule: dailyAt(2, 0),
  run: async ({ migrator, relay }, nowMs) => {
    const now = new Date(nowMs)
    let rows = await purgeKeys(relay, now)
    const old = monthsBefore(now, 13)
    for (const [table, column] of AUDITS) rows += await inBatches(migrator, table, `${column} < $1`, old)
    const month = new Date(nowMs - 30 * 86_400_000)
    // Whatever its status: most have their receipt, and would otherwise stay for ever.
    return rows + (await inBatches(migrator, 'smpp.message_correlations', `expires_at < $1`, month))
  },
}

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
  const { rows } = await relay.query('SELECT min(expires_at) AS oldest FROM orch.idempotency_keys')
  let sliceMs = Oldest.parse(rows[0]).oldest?.getTime() ?? now.getTime()
  let deleted = 0
  while (sliceMs < now.getTime()) {
    sliceMs = Math.min(sliceMs + SLICE_MS, now.getTime())
    const result = await relay.query('DELETE FROM orch.idempotency_keys WHERE expires_at < $1', [
      new Date(sliceMs),
    ])
    deleted += result.rowCount ?? 0
  }
  return deleted
}

/** Names are ours, never input. */
async function inBatches(pool: Pool, table: string, where: string, before: Date): Promise<number> {
  let rows = 0
  for (let deleted = BATCH_MAX; deleted === BATCH_MAX; rows += deleted) {
    const text = `DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${table} WHERE ${where} LIMIT ${BATCH_MAX}))`
    deleted = (await pool.query(text, [before])).rowCount ?? 0
  }
  return rows
}

function monthsBefore(at: Date, months: number): Date {
  const before = new Date(at)
  before.setUTCMonth(before.getUTCMonth() - months)
  return before
}

/** [DB66], [DB73] */
export const correlationSweep: Job = {
  name: 'correlation-sweep',
  schedule: everyQuarter,
  run: async ({ smpp }, nowMs) => {
    const text = `UPDATE smpp.message_correlations SET status = 'EXPIRED' WHERE status = 'SUBMITTED' AND expires_at < $1`
    return (await smpp.query(text, [new Date(nowMs)])).rowCount ?? 0
  },
}
