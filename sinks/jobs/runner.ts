import { z } from 'zod'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Metrics } from '../../streams/platform/metrics.ts'
import { inTransaction } from '../postgres/pool.ts'
import type { Queryable } from '../postgres/statement.ts'
import { isDue, type Job, type JobPools } from './schedule.ts'

export interface RunnerOptions {
  readonly jobs: readonly Job[]
  readonly pools: JobPools
  readonly metrics: Metrics
  readonly logger: Logger
  readonly now: () => number
}

export interface Runner {
  /** Runs what is due, one after the other; what fails is tried again at the next call. */
  runDue(): Promise<void>
  /**
   * Runs one whether it is due or not. False when another process is running it. Rejects when it
   * fails.
   */
  runNow(job: Job): Promise<boolean>
}

const LastRun = z.object({ succeeded_at: z.date().nullable() })

/** What is due is known from the table, so that a new process neither repeats nor forgets a run. */
export function jobRunner(options: RunnerOptions): Runner {
  const { jobs, pools, logger, now } = options
  const instruments = instrumentsOf(options.metrics)

  /** False: another process has the row, and so the job. */
  const claimed = async (job: Job, isWanted: (lastMs: number | undefined) => boolean): Promise<boolean> => {
    // The row must be there before it can be locked, also by the process that comes second.
    await pools.migrator.query('INSERT INTO orch.job_runs (job) VALUES ($1) ON CONFLICT DO NOTHING', [
      job.name,
    ])
    return inTransaction(pools.migrator, async (client) => {
      const last = await lockRow(client, job.name)
      if (last === undefined) return false
      const lastMs = last.succeeded_at?.getTime()
      if (lastMs !== undefined) instruments.succeeded.set({ job: job.name }, lastMs / 1000)
      if (isWanted(lastMs)) await run(job, client)
      return true
    })
  }

  /** `client` holds the row until the job is done. */
  const run = async (job: Job, client: Queryable): Promise<void> => {
    const rows = await job.run(pools, now())
    const succeededAt = new Date(now())
    await client.query('UPDATE orch.job_runs SET succeeded_at = $2 WHERE job = $1', [job.name, succeededAt])
    instruments.succeeded.set({ job: job.name }, succeededAt.getTime() / 1000)
    logger.info('job.done', { operation: job.name, records: rows })
  }
  return {
    async runDue() {
      for (const job of jobs) {
        try {
          await claimed(job, (lastMs) => isDue(job.schedule, lastMs, now()))
        } catch (error) {
          instruments.failed.inc({ job: job.name })
          logger.error('job.failed', { operation: job.name, error })
        }
      }
    },
    runNow: (job) => claimed(job, () => true),
  }
}

const instrumentsOf = (metrics: Metrics) => ({
  succeeded: metrics.gauge('job_last_success_timestamp_seconds', 'When a job last succeeded', ['job']),
  failed: metrics.counter('job_failures_total', 'Runs that failed', ['job']),
})

async function lockRow(client: Queryable, job: string): Promise<z.infer<typeof LastRun> | undefined> {
  const { rows } = await client.query(
    'SELECT succeeded_at FROM orch.job_runs WHERE job = $1 FOR UPDATE SKIP LOCKED',
    [job],
  )
  return rows[0] === undefined ? undefined : LastRun.parse(rows[0])
}
