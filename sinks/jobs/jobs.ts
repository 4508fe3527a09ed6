import type { Metrics } from '../../streams/platform/metrics.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { ensurePartitions, partitionMonthsAhead } from '../postgres/partitions.ts'
import { archive, type ArchiveMeans } from './archive/archive.ts'
import { correlationSweep, purge } from './purges.ts'
import { quarantineReport } from './quarantine-report.ts'
import { requeue } from './requeue.ts'
import { dailyAt, type Job, type JobPools } from './schedule.ts'

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
