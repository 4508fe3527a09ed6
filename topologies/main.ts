import { randomUUID } from 'node:crypto'
import { connectNats } from '../streams/nats/link.ts'
import { mirrorProgress } from '../bridges/nats/mirror-progress.ts'
import { routingLookup, routingTls } from '../bridges/routing/lookup.ts'
import { ROUTE_LOOKUP, SUBMIT_RESULTS_READ_LOOKUP } from '../streams/contracts/lookups.ts'
import { submitResults } from '../streams/contracts/outbound.ts'
import type { Lookup, Lookups } from '../streams/contracts/question.ts'
import { SUBMIT_RESULT_MIRROR } from '../streams/contracts/subjects.ts'
import { connectKafka, kafkaOptions } from '../streams/log/kafka.ts'
import type { LogAdmin, LogClient } from '../streams/log/port.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { serveOperations } from '../streams/platform/operations-server.ts'
import { runProcess, type Closers } from '../streams/platform/process.ts'
import { startTracing } from '../streams/platform/tracing.ts'
import { systemClock } from '../streams/runtime/clock.ts'
import { Committer } from '../streams/runtime/commit/committer.ts'
import { gaugeTasks, observe, readinessOf } from '../streams/runtime/watch/observe.ts'
import { gaugeLag, livenessOf, watchPositions } from '../streams/runtime/watch/observe-positions.ts'
import { Prefetcher } from '../streams/runtime/task/prefetch.ts'
import { levelStores, writeBufferBytesOf } from '../streams/runtime/store/level.ts'
import { DEFAULT_LIMITS, NO_STANDBYS, RECENT_ROWS_PER_PROCESS_MAX } from '../streams/runtime/limits.ts'
import { RowBudget } from '../streams/runtime/store/recent-rows.ts'
import { groupProgress, progressAlong } from '../streams/runtime/watch/reading-progress.ts'
import { groupOf } from '../streams/runtime/task/names.ts'
import { Worker } from '../streams/runtime/worker.ts'
import { allTopologies, APP } from './all.ts'
import { operatorRulesOf, readTopologiesConfig } from './config.ts'
import { NOTES, POISON } from './notes.ts'
import { SEGMENTS } from './segments/segments.ts'

const config = readTopologiesConfig()

/** One call and its one repetition, with room for the wait for a place. */
const ROUTING_DEADLINES = 10

const logger = createLogger({ service: 'topologies', level: config.LOG_LEVEL })

/**
 * From NATS to where receipts can be joined with them: the bridge's mirror, then the topology
 * `segments`.
 */
function submitResultsRead({ admin }: LogClient, closers: Closers): Lookup {
  const { NATS_URL: url, NATS_CREDS: credsFile, NATS_CA_FILE: caFile } = config
  const nats = connectNats({ url, credsFile, caFile, user: 'stream-progress', logger })
  closers.add('nats', nats, (opened) => opened.close())
  return progressAlong({
    stages: [
      mirrorProgress(nats, SUBMIT_RESULT_MIRROR),
      groupProgress({ admin, group: groupOf(APP, SEGMENTS), topic: submitResults.name }),
    ],
    now: systemClock.now,
    failed: (error) => logger.warn('dlr.submit_results_unknown', { error }),
  })
}

const openRouting = () =>
  routingLookup({
    address: config.ROUTING_ENGINE_URL,
    now: systemClock.now,
    deadlineMs: config.ROUTING_DEADLINE_MS,
    tls: routingTls(config),
  })

const prefetcherOf = (lookups: Lookups) =>
  new Prefetcher({
    lookups,
    clock: systemClock,
    inFlightMax: config.ROUTING_IN_FLIGHT,
    deadlineMs: ROUTING_DEADLINES * config.ROUTING_DEADLINE_MS,
  })

const watchOf = (workers: readonly Worker[], admin: LogAdmin, metrics: Metrics) =>
  watchPositions({
    clock: systemClock,
    readers: workers,
    admin,
    stuckAfterMs: config.STUCK_AFTER_MS,
    logger,
    metrics,
    lag: gaugeLag(metrics),
  })

const hooksOf = (metrics: Metrics) =>
  observe({
    logger,
    metrics,
    now: systemClock.now,
    notes: NOTES,
    poison: POISON,
    traced: config.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined,
  })

await runProcess(logger, async (closers, fail) => {
  closers.add('tracing', startTracing('topologies', config.OTEL_EXPORTER_OTLP_ENDPOINT), (opened) =>
    opened.close(),
  )
  const metrics = new Metrics().withProcessMetrics()
  const log = connectKafka({ ...kafkaOptions(config), clientId: 'topologies', logger })
  closers.add('log', log, (opened) => opened.close())
  const routing = openRouting()
  closers.add('routing', routing, (opened) => opened.close())
  const prefetcher = prefetcherOf({
    [ROUTE_LOOKUP]: routing.lookup,
    [SUBMIT_RESULTS_READ_LOOKUP]: submitResultsRead(log, closers),
  })
  const hooks = hooksOf(metrics)
  const topologies = allTopologies(operatorRulesOf(config))
  const bufferBytes = writeBufferBytesOf(topologies.length * config.LOG_PARTITIONS)
  const rows = new RowBudget(RECENT_ROWS_PER_PROCESS_MAX)
  const limits = { ...DEFAULT_LIMITS, commitMs: config.COMMIT_MS }
  const transactionalId = `${APP}.${randomUUID()}`
  const committer = new Committer({ log, transactionalId, clock: systemClock, limits, hooks })
  closers.add('committer', committer, (opened) => opened.close())
  const workers = topologies.map(
    (topology) =>
      new Worker({
        app: APP,
        topology,
        log,
        stores: levelStores(config.STATE_DIR, sleep, bufferBytes),
        prefetcher,
        clock: systemClock,
        random: Math.random,
        hooks,
        rows,
        limits,
        committer,
        standbys: { ...NO_STANDBYS, replicas: config.STANDBY_REPLICAS },
        onFailed: fail,
      }),
  )
  gaugeTasks(metrics, workers)
  const watch = watchOf(workers, log.admin, metrics).start()
  closers.add('watch', watch, (opened) => opened.close())
  const health = { ready: () => readinessOf(workers), live: () => livenessOf(watch) }
  const operations = await serveOperations({ host: config.HOST, port: config.PORT, metrics, ...health })
  closers.add('operations', operations, (opened) => opened.close())
  for (const worker of workers) {
    closers.add('worker', worker, (opened) => opened.close())
    await worker.start()
  }
})
