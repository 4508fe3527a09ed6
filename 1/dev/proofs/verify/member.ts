import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { commonEnv, list, port, readConfig } from '../../../streams/platform/config.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { serveOperations } from '../../../streams/platform/operations-server.ts'
import { runProcess } from '../../../streams/platform/process.ts'
import { systemClock } from '../../../streams/runtime/clock.ts'
import { observe, readinessOf } from '../../../streams/runtime/watch/observe.ts'
import { Prefetcher } from '../../../streams/runtime/task/prefetch.ts'
import { levelStores } from '../../../streams/runtime/store/level.ts'
import { DEFAULT_LIMITS, NO_STANDBYS } from '../../../streams/runtime/limits.ts'
import { Worker } from '../../../streams/runtime/worker.ts'
import { sceneOf } from './scene.ts'
import { tellingGenerations, withCursorsOutside } from './watched-log.ts'
import { Committer } from '../../../streams/runtime/commit/committer.ts'

/** One member of the groups under test, a process that may be killed at any moment. */
const config = readConfig({
  ...commonEnv,
  KAFKA_BROKERS: list,
  PORT: port,
  STATE_DIR: z.string(),
  SCENE: z.string(),
  MUTATE: z.enum(['none', 'cursor-outside']).default('none'),
})
/** The least that a broker allows: a member that is stopped for longer comes back as a zombie. */
const SESSION_TIMEOUT_MS = 6000
const COMMIT_MS = 50

const logger = createLogger({ service: 'member', level: config.LOG_LEVEL })

await runProcess(logger, async (closers, fail) => {
  const metrics = new Metrics()
  const client = connectKafka({
    brokers: config.KAFKA_BROKERS,
    clientId: 'member',
    logger,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
  })
  const sound = tellingGenerations(client, logger)
  const log = config.MUTATE === 'none' ? sound : withCursorsOutside(sound)
  closers.add('log', log, (opened) => opened.close())
  const prefetcher = new Prefetcher({ lookups: {}, clock: systemClock, inFlightMax: 1, deadlineMs: 1 })
  const hooks = observe({ logger, metrics, now: Date.now, notes: {} })
  const limits = { ...DEFAULT_LIMITS, commitMs: COMMIT_MS }
  const transactionalId = `verify.${randomUUID()}`
  const committer = new Committer({ log, transactionalId, clock: systemClock, limits, hooks })
  closers.add('committer', committer, (opened) => opened.close())
  const workers = sceneOf(config.SCENE).topologies.map(
    (topology) =>
      new Worker({
        app: 'verify',
        topology,
        log,
        stores: levelStores(config.STATE_DIR, sleep),
        prefetcher,
        clock: systemClock,
        random: Math.random,
        hooks,
        limits,
        committer,
        standbys: { ...NO_STANDBYS, replicas: 1 },
        onFailed: fail,
      }),
  )
  const { HOST: host, PORT } = config
  const operations = await serveOperations({ host, port: PORT, metrics, ready: () => readinessOf(workers) })
  closers.add('operations', operations, (opened) => opened.close())
  for (const worker of workers) {
    closers.add('worker', worker, (opened) => opened.close())
    await worker.start()
  }
})
