import { z } from 'zod'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Metrics } from '../../streams/platform/metrics.ts'
import { inTransaction } from '../postgres/pool.ts'
import type { Queryable } from '../postgres/statement.ts'
import { isDue, type Job, type JobPools, type JobRun } from './schedule.ts'

export interface RunnerOptions {
  readonly jobs: readonly Job[]
  readonly pools: JobPools
  readonly metrics: Metrics
  readonly logger: Logger
  readonly now: () => number
}

export interface Runner {
  /**
   * Runs what is due of these, default all, one after the other. What fails is tried again at the
   * next call, unless it is long.
   */
  runDue(some?: readonly Job[]): Promise<void>
  /**
   * Runs one whether it is due or not. False when another process is running it. Rejects when it
   * fails.
   */
  runNow(job: Job): Promise<boolean>
}

const LastRun = z.object({ succeeded_at: z.date().nullable(), failed_at: z.date().nullable() })
type LastRun = z.infer<typeof LastRun>

/** The last run after which the job waits for its next time. */
function lastTryMs({ isLong = false }: Job, { succeeded_at, failed_at }: LastRun): number | undefined {
  if (!isLong || failed_at === null) return succeeded_at?.getTime()
  return Math.max(succeeded_at?.getTime() ?? 0, failed_at.getTime())
}

/** What is due is known from the table, so that a new process neither repeats nor forgets a run. */
export function jobRunner(options: RunnerOptions): Runner {
  const { jobs, logger, now } = options
  const work: Work = { ...options, instruments: instrumentsOf(options) }
  return {
    async runDue(some = jobs) {
      for (const job of some) {
        try {
          await claimed(work, job, (last) => isDue(job.schedule, lastTryMs(job, last), now()))
        } catch (error) {
          work.instruments.failed.inc({ job: job.name })
          logger.error('job.failed', { operation: job.name, error })
        }
      }
    },
    runNow: (job) => claimed(work, job, () => true),
  }
}

interface Work extends RunnerOptions {
  readonly instruments: ReturnType<typeof instrumentsOf>
}

/** False: another process has the row, and so the job. */
async function claimed(work: Work, job: Job, isWanted: (last: LastRun) => boolean): Promise<boolean> {
  const { migrator } = work.pools
  // The row must be there before it can be locked, also by the process that comes second.
  await migrator.query('INSERT INTO orch.job_runs (job) VALUES ($1) ON CONFLICT DO NOTHING', [job.name])
  const end = await inTransaction(migrator, async (client): Promise<End> => {
    const last = await lockRow(client, job.name)
    // This connection waits while another works, for longer than a server may have patience. Not
    // before the row is locked: a statement with parameters keeps its snapshot until another comes,
    // and a snapshot that is hours old holds up vacuum and the index that the archive builds.
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0')
    if (last === undefined) return { kind: 'busy' }
    const lastMs = last.succeeded_at?.getTime()
    work.instruments.succeeded.set({ job: job.name }, (lastMs ?? 0) / 1000)
    return isWanted(last) ? attempt(work, job, lastMs, client) : { kind: 'over' }
  })
  if (end.kind === 'failed') throw end.error
  return end.kind === 'over'
}

/** `client` holds the row until the job is done; a failure is kept there like a success. */
async function attempt(
  { pools, logger, now, instruments }: Work,
  job: Job,
  lastMs: number | undefined,
  client: Queryable,
): Promise<End> {
  const refused: JobRun['refused'] = (messageId, paths) => {
    instruments.refused.inc({ job: job.name })
    logger.error('job.row_refused', { operation: job.name, messageId, paths })
  }
  try {
    const rows = await job.run(pools, { nowMs: now(), lastMs, refused })
    logger.info('job.done', { operation: job.name, records: rows })
  } catch (error) {
    await keepEnd(client, job.name, 'failed_at', now())
    return { kind: 'failed', error }
  }
  const succeededMs = now()
  await keepEnd(client, job.name, 'succeeded_at', succeededMs)
  instruments.succeeded.set({ job: job.name }, succeededMs / 1000)
  return { kind: 'over' }
}

type End = { readonly kind: 'busy' | 'over' } | { readonly kind: 'failed'; readonly error: unknown }

/** Every job has its series from the start on: what has never succeeded stands at 0 [A23]. */
function instrumentsOf({ metrics, jobs }: RunnerOptions) {
  const label = ['job'] as const
  const period = metrics.gauge('job_period_seconds', 'How often a job is to run', label)
  const succeeded = metrics.gauge('job_last_success_timestamp_seconds', 'When a job last succeeded', label)
  const failed = metrics.counter('job_failures_total', 'Runs that failed', label)
  const refused = metrics.counter('job_refused_rows_total', 'Rows that a job could not take', label)
  for (const { name, schedule } of jobs) {
    period.set({ job: name }, schedule.everyMs / 1000)
    succeeded.set({ job: name }, 0)
    failed.inc({ job: name }, 0)
    refused.inc({ job: name }, 0)
  }
  return { succeeded, failed, refused }
}

const keepEnd = (client: Queryable, job: string, column: 'succeeded_at' | 'failed_at', atMs: number) =>
  client.query(`UPDATE orch.job_runs SET ${column} = $2 WHERE job = $1`, [job, new Date(atMs)])

async function lockRow(client: Queryable, job: string): Promise<LastRun | undefined> {
  const { rows } = await client.query(
    'SELECT succeeded_at, failed_at FROM orch.job_runs WHERE job = $1 FOR UPDATE SKIP LOCKED',
    [job],
  )
  return rows[0] === undefined ? undefined : LastRun.parse(rows[0])
}
