import type { Metrics } from '../../streams/platform/metrics.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { z } from 'zod'
import { ensurePartitions, partitionMonthsAhead } from '../postgres/partitions.ts'
import { correlationSweep, purge } from './purges.ts'
import { requeue } from './requeue.ts'
import { dailyAt, type Job, type JobPools } from './schedule.ts'

/** All of them, in the order in which they run when several are due. */
export const jobsWith = (logger: Logger): readonly Job[] => [
  partitions,
  correlationSweep,
  requeue,
  purge,
  quarantineReport(logger),
]

/** [DB70] */
const partitions: Job = {
  name: 'partitions',
  schedule: dailyAt(0, 10),
  run: async ({ migrator }, nowMs) => {
    const client = await migrator.connect()
    try {
      return (await ensurePartitions({ client, now: () => nowMs, monthsAhead: 3, monthsBack: 1 })).length
    } finally {
      client.release()
    }
  },
}

/**
 * For the alert on a month that is missing [M42], whether or not the job that makes it still runs.
 */
export function monthsObserver(metrics: Metrics): (pools: JobPools, nowMs: number) => Promise<void> {
  const ahead = metrics.gauge('partitions_months_ahead', 'Months behind this one with a partition', ['table'])
  return async ({ migrator }, nowMs) => {
    const client = await migrator.connect()
    try {
      const months = await partitionMonthsAhead(client, nowMs)
      for (const [table, count] of months) ahead.set({ table }, count)
    } finally {
      client.release()
    }
  }
}

const Share = z.object({ operator_id: z.string(), quarantined: z.coerce.number(), flagged: z.boolean() })

/**
 * [DB75]: of yesterday, so that the day is whole. A second run changes nothing that it has said.
 * Receipts of an operator are those that were taken and those that were quarantined.
 */
const quarantineReport = (logger: Logger): Job => ({
  name: 'quarantine-report',
  schedule: dailyAt(2, 30),
  run: async ({ dlr }, nowMs) => {
    const until = new Date(nowMs).toISOString().slice(0, 10)
    const day = new Date(Date.parse(until) - 86_400_000).toISOString().slice(0, 10)
    const { rows } = await dlr.query(REPORT, [day, `${day}T00:00:00Z`, `${until}T00:00:00Z`])
    for (const { operator_id: operatorId, quarantined, flagged } of z.array(Share).parse(rows))
      logger[flagged ? 'warn' : 'info']('dlr.quarantine_report', { operatorId, records: quarantined })
    return rows.length
  },
})

const REPORT = `
  WITH taken AS (
    SELECT operator_id, count(*) AS receipts FROM dlr.delivery_receipts
    WHERE received_at >= $2 AND received_at < $3 GROUP BY operator_id
  ), held AS (
    SELECT operator_id, count(*) AS quarantined FROM dlr.quarantined_dlrs
    WHERE received_at >= $2 AND received_at < $3 GROUP BY operator_id
  ), shares AS (
    SELECT operator_id, coalesce(quarantined, 0) AS quarantined,
      coalesce(receipts, 0) + coalesce(quarantined, 0) AS receipts
    FROM taken FULL JOIN held USING (operator_id)
  )
  INSERT INTO dlr.quarantine_daily (day, operator_id, receipts, quarantined, share, flagged)
  SELECT $1::date, operator_id, receipts, quarantined, round(quarantined::numeric / receipts, 6),
    quarantined > receipts * 0.01
  FROM shares ON CONFLICT DO NOTHING
  RETURNING operator_id, quarantined, flagged`
