import type { Pool } from 'pg'
import { z } from 'zod'
import type { Logger } from '../../streams/platform/logger.ts'
import { dailyAt, lastDueMs, type Job } from './schedule.ts'

const Share = z.object({ operator_id: z.string(), quarantined: z.coerce.number(), flagged: z.boolean() })

const SCHEDULE = dailyAt(2, 30)
const DAY_MS = 86_400_000
/**
 * A sink may be behind when its day is counted first. So each day is counted on as many mornings,
 * and is right once the sink has passed it.
 */
const COUNTED_AGAIN_DAYS = 3
/** Within the time that receipts stay in their table; what is older has no figures any more. */
const REPORT_DAYS_MAX = 60

/**
 * [DB75]: of each day since the last report, and of the last three at any rate, up to the day
 * before this one is due: a day is over when it is counted. A second run says nothing again that it
 * has said, and corrects what has grown. Receipts of an operator are those that were taken and
 * those that were quarantined.
 */
export const quarantineReport = (logger: Logger): Job => ({
  name: 'quarantine-report',
  schedule: SCHEDULE,
  run: async ({ dlr }, { nowMs, lastMs }) => {
    let rows = 0
    for (const day of daysToReport(nowMs, lastMs)) rows += await reportDay(dlr, day, logger)
    return rows
  },
})

/** Starts of days, oldest first. The last run has told of the day before it was due. */
function daysToReport(nowMs: number, lastMs: number | undefined): readonly number[] {
  const until = dayOf(lastDueMs(SCHEDULE, nowMs))
  const told = lastMs === undefined ? until : dayOf(lastDueMs(SCHEDULE, lastMs))
  const since = Math.min(told, until - COUNTED_AGAIN_DAYS * DAY_MS)
  const from = Math.max(since, until - REPORT_DAYS_MAX * DAY_MS)
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

/**
 * Figures only grow, so that of two counts the greater is the later one: a day whose receipts have
 * begun to be archived is not counted down.
 */
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
  INSERT INTO dlr.quarantine_daily AS told (day, operator_id, receipts, quarantined, share, flagged)
  SELECT $1::date, operator_id, receipts, quarantined, round(quarantined::numeric / receipts, 6),
    quarantined > receipts * 0.01
  FROM shares
  ON CONFLICT (day, operator_id) DO UPDATE SET receipts = excluded.receipts, quarantined = excluded.quarantined,
    share = excluded.share, flagged = excluded.flagged
  WHERE told.receipts < excluded.receipts
  RETURNING operator_id, quarantined, flagged`
