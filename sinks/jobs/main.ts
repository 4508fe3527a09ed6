import { sleep } from '../../streams/platform/backoff.ts'
import { createLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { serveOperations } from '../../streams/platform/operations-server.ts'
import { runProcess, type Closers } from '../../streams/platform/process.ts'
import { openPool } from '../postgres/pool.ts'
import { jobsConfig } from './config.ts'
import { jobsWith, monthsObserver } from './jobs.ts'
import { jobRunner, type Runner } from './runner.ts'
import type { Job, JobPools } from './schedule.ts'

const SERVICE = 'jobs'
const config = jobsConfig()
const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL })
/** A connection holds the row of the job, another does its work. */
const CONNECTIONS_MAX = 3

function openPools(closers: Closers): JobPools {
  const open = (role: keyof typeof config.addresses) =>
    closers.add(
      `pool ${role}`,
      openPool({
        url: config.addresses[role],
        applicationName: `jobs-${role}`,
        connectionsMax: CONNECTIONS_MAX,
        onIdleError: (error) => logger.warn('postgres.connection_lost', { operation: role, error }),
      }),
      (pool) => pool.end(),
    )
  return { migrator: open('migrator'), relay: open('relay'), dlr: open('dlr'), smpp: open('smpp') }
}

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
  const pools = openPools(closers)
  const jobs = jobsWith(logger)
  const runner = jobRunner({ jobs, pools, metrics, logger, now: Date.now })
  const [name] = process.argv.slice(2)
  if (name !== undefined) {
    await runOne(name, jobs, runner)
    return
  }
  await serve(pools, metrics, closers)
  const observeMonths = monthsObserver(metrics)
  const stopping = new AbortController()
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await runner.runDue()
      const told = (error: unknown) => logger.warn('job.months_unknown', { error })
      await observeMonths(pools, Date.now()).catch(told)
      await sleep(config.JOBS_LOOK_MS, stopping.signal)
    }
  }
  const running = loop().catch(fail)
  closers.add('loop', stopping, async (controller) => {
    controller.abort()
    await running
  })
})
