import { sleep } from '../../streams/platform/backoff.ts'
import { createLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { serveOperations } from '../../streams/platform/operations-server.ts'
import { runProcess, type Closers } from '../../streams/platform/process.ts'
import { openArchive } from './archive/open.ts'
import { jobsConfig } from './config.ts'
import { jobsWith, monthsObserver } from './jobs.ts'
import { closeJobPools, openJobPools } from './pools.ts'
import { jobRunner, type Runner } from './runner.ts'
import type { Job, JobPools } from './schedule.ts'

const SERVICE = 'jobs'
const config = jobsConfig()
const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL })
async function runOne(name: string, jobs: readonly Job[], runner: Runner): Promise<void> {
  const job = jobs.find((known) => known.name === name)
  if (job === undefined)
    throw new Error(`no such job; there are ${jobs.map((known) => known.name).join(', ')}`)
  if (!(await runner.runNow(job))) logger.warn('job.busy', { operation: job.name })
  // As a signal would: the pools are closed, and the exit code is 0.
  process.kill(process.pid, 'SIGTERM')
}

async function serve(pools: JobPools, metrics: Metrics, closers: Closers): Promise<void> {
  const ready = () =>
    pools.migrator.query('SELECT 1').then(
      () => ({ ready: true, details: { postgres: 'up' } }),
      () => ({ ready: false, details: { postgres: 'down' } }),
    )
  const { HOST: host, PORT } = config
  const operations = await serveOperations({ host, port: PORT, metrics, ready })
  closers.add('operations', operations, (server) => server.close())
}

await runProcess(logger, async (closers, fail) => {
  const metrics = new Metrics().withProcessMetrics()
  const lost = (operation: string, error: Error) =>
    logger.warn('postgres.connection_lost', { operation, error })
  const pools = closers.add('pools', openJobPools(config.addresses, lost), closeJobPools)
  const means = openArchive(config.archive, { logger, metrics })
  if (means !== undefined) closers.add('store', means.store, (store) => store.close())
  const jobs = jobsWith(logger, means)
  const runner = jobRunner({ jobs, pools, metrics, logger, now: Date.now })
  const [name] = process.argv.slice(2)
  if (name !== undefined) {
    await runOne(name, jobs, runner)
    return
  }
  await serve(pools, metrics, closers)
  const observeMonths = monthsObserver(metrics)
  const stopping = new AbortController()
  const every = async (look: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look()
      await sleep(config.JOBS_LOOK_MS, stopping.signal)
    }
  }
  const told = (error: unknown) => logger.warn('job.months_unknown', { error })
  const short = async () => {
    await runner.runDue(jobs.filter((job) => job.isLong !== true))
    await observeMonths(pools, Date.now()).catch(told)
  }
  const long = () => runner.runDue(jobs.filter((job) => job.isLong === true))
  const running = Promise.all([every(short), every(long)]).catch(fail)
  closers.add('loop', stopping, async (controller) => {
    controller.abort()
    await running
  })
})
