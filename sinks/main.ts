import { submitResults } from '../streams/contracts/outbound.ts'
import { dlrRecords } from '../streams/contracts/receipts.ts'
import { connectKafka, kafkaOptions } from '../streams/log/kafka.ts'
import type { LogAdmin } from '../streams/log/port.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { serveOperations } from '../streams/platform/operations-server.ts'
import { runProcess } from '../streams/platform/process.ts'
import { startTracing } from '../streams/platform/tracing.ts'
import type { Consumption } from '../streams/runtime/consume.ts'
import { livenessOf, watchPositions } from '../streams/runtime/watch/observe-positions.ts'
import { sinksConfig } from './config.ts'
import { observe } from './observe.ts'
import { openPool } from './postgres/pool.ts'
import { dlrSink, orchSink, SMPP_SINK_GROUP, smppSink } from './postgres/sinks.ts'
import { submitFrontier } from './postgres/submit-frontier.ts'
import { monthMaker, recourseOf, unstoppable } from './poison.ts'
import { readiness } from './readiness.ts'
import { openRedis, redisSink } from './redis/mirrors.ts'
import { run, watchLag } from './run.ts'

const SERVICE = 'sinks'
const config = sinksConfig()
const logger = createLogger({ service: SERVICE, level: config.LOG_LEVEL })

type PoolName = keyof typeof config.addresses

const poolOptions = (name: PoolName) => ({
  url: config.addresses[name],
  applicationName: `sink-${name}`,
  connectionsMax: config.SINK_POOL_MAX,
  onIdleError: (error: Error) => logger.warn('postgres.connection_lost', { operation: name, error }),
})

const watchOf = (readers: readonly Consumption[], admin: LogAdmin, metrics: Metrics) =>
  watchPositions({
    clock: { now: Date.now, sleep },
    readers,
    admin,
    stuckAfterMs: config.STUCK_AFTER_MS,
    logger,
    metrics,
  })

await runProcess(logger, async (closers, fail) => {
  const metrics = new Metrics().withProcessMetrics()
  const observation = observe(metrics, logger, Date.now)
  closers.add('tracing', startTracing(SERVICE, config.OTEL_EXPORTER_OTLP_ENDPOINT), (tracing) =>
    tracing.close(),
  )

  const pool = (name: PoolName) =>
    closers.add(`pool ${name}`, openPool(poolOptions(name)), (opened) => opened.end())
  const pools = { orch: pool('orch'), dlr: pool('dlr'), smpp: pool('smpp') }
  const redis = openRedis(config.REDIS_URL, (error) => logger.debug('redis.connection_lost', { error }))
  closers.add('redis', redis, (opened) => opened.disconnect())
  const log = connectKafka({ ...kafkaOptions(config), clientId: SERVICE, logger })
  closers.add('log', log, (opened) => opened.close())

  const frontier = submitFrontier(log, SMPP_SINK_GROUP, submitResults.name)
  const writer = closers.add('dead letters', log.writer(), (opened) => opened.close())
  const recourse = recourseOf({ writer, now: Date.now, observation })
  const sinks = [
    unstoppable(orchSink(pools.orch, observation.hooks('orch')), recourse('orch')),
    // Only its tables have months.
    unstoppable(dlrSink(pools.dlr, observation.hooks('dlr')), recourse('dlr', monthMaker(pools.dlr))),
    unstoppable(
      smppSink(pools.smpp, observation.hooks('smpp'), frontier, config.CORRELATION_HOURS),
      recourse('smpp'),
    ),
    redisSink(redis, observation.hooks('redis'), observation.mirrorsSkipped),
  ]
  const options = {
    log,
    observation,
    recordsMax: config.SINK_BATCH_MAX,
    sleep,
    random: Math.random,
    onFailed: fail,
    everyMs: config.SINK_LAG_EVERY_MS,
    onFault: (error: unknown) => logger.warn('sink.lag_unknown', { error }),
  }
  const { HOST: host, PORT } = config
  const running: Consumption[] = []
  const ready = readiness(log, dlrRecords.name, pools, running)
  const watch = watchOf(running, log.admin, metrics)
  const live = () => livenessOf(watch)
  const operations = await serveOperations({ host, port: PORT, metrics, ready, live })
  closers.add('operations', operations, (server) => server.close())
  for (const sink of sinks)
    running.push(closers.add(sink.group, await run(sink, options), (opened) => opened.close()))
  closers.add('watch', watch.start(), (opened) => opened.close())
  closers.add('lag', watchLag(sinks, options), (watch) => watch.close())
})
