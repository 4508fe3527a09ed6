import type { Pool } from 'pg'
import type { Metrics } from '../../streams/platform/metrics.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { z } from 'zod'
import { ensurePartitions, partitionMonthsAhead } from '../postgres/partitions.ts'
import { archive, type ArchiveMeans } from './archive/archive.ts'
import { correlationSweep, purge } from './purges.ts'
import { requeue } from './requeue.ts'
import { dailyAt, lastDueMs, type Job, type JobPools } from './schedule.ts'

/**
 * All of them, in the order in which they run when several are due. Without means for it there is
 * no archive.
 */
export const jobsWith = (logger: Logger, means?: ArchiveMeans): readonly Job[] => [
  partitions,
  correlationSweep,
  requeue,
  purge,
  quarantineReport(logger),
  ...(means === undefined ? [] : [archive(means)]),
]

/** [DB70] */
const partitions: Job = {
  name: 'partitions',
  schedule: dailyAt(0, 10),
  run: async ({ migrator }, { nowMs }) => {
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

const REPORT_SCHEDULE = dailyAt(2, 30)
const DAY_MS = 86_400_000
/** Within the time that receipts stay in their table; what is older has no figures any more. */
const REPORT_DAYS_MAX = 60

/**
 * [DB75]: of each day since the last report, up to the day before this one is due: a day is whole
 * when it is counted. A second run changes nothing that it has said. Receipts of an operator are
 * those that were taken and those that were quarantined.
 */
const quarantineReport = (logger: Logger): Job => ({
  name: 'quarantine-report',
  schedule: REPORT_SCHEDULE,
  run: async ({ dlr }, { nowMs, lastMs }) => {
    let rows = 0
    for (const day of daysToReport(nowMs, lastMs)) rows += await reportDay(dlr, day, logger)
    return rows
  },
})

/** Starts of days, oldest first. The last run has told of the day before it was due. */
function daysToReport(nowMs: number, lastMs: number | undefined): readonly number[] {
  const until = dayOf(lastDueMs(REPORT_SCHEDULE, nowMs))
  const told = lastMs === undefined ? until - DAY_MS : dayOf(lastDueMs(REPORT_SCHEDULE, lastMs))
  const from = Math.max(Math.min(told, until - DAY_MS), until - REPORT_DAYS_MAX * DAY_MS)
  return Array.from({ length: (until - from) / DAY_MS }, (_, index) => from + index * DAY_MS)
}

const dayOf = (atMs: number): number => Math.floor(atMs / DAY_MS) * DAY_MS

async function reportDay(dlr: Pool, dayMs: number, logger: Logger): Promise<number> {
  const from = new Date(dayMs).toISOString()
  const day = from.slice(0, 10)
  const { rows } = await dlr.query(REPORT, [day, from, new Date(dayMs + DAY_MS).toISOString()])
  for (const { operator_id: operatorId, quarantined, flagged } of z.array(Share).parse(rows))
    logger[flagged ? 'warn' : 'info']('dlr.quarantine_report', { operatorId, records: quarantined, day })
  return rows.length
}

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
