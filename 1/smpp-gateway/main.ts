import { randomUUID } from 'node:crypto'
import { connectNats } from '../streams/nats/link.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { serveOperations } from '../streams/platform/operations-server.ts'
import { runProcess } from '../streams/platform/process.ts'
import { startTracing } from '../streams/platform/tracing.ts'
import { readGatewayConfig, timingsOf } from './config.ts'
import { credentialsFrom } from './operator/credentials.ts'
import { createGateway } from './gateway.ts'
import { connectRedis } from './redis.ts'
import { sessionsRoute } from './sessions-route.ts'

const config = readGatewayConfig()
const timings = timingsOf(config)
const logger = createLogger({ service: 'smpp-gateway', level: config.LOG_LEVEL })
const metrics = new Metrics().withProcessMetrics()
const elapsed = (): number => performance.now()

await runProcess(logger, async (closers) => {
  closers.add('tracing', startTracing('smpp-gateway', config.OTEL_EXPORTER_OTLP_ENDPOINT), (opened) =>
    opened.close(),
  )
  const shared = connectRedis({ url: config.REDIS_URL, now: elapsed, logger })
  closers.add('redis', shared, (opened) => opened.close())
  const { NATS_URL: url, NATS_CREDS: credsFile, NATS_CA_FILE: caFile } = config
  const nats = connectNats({ url, credsFile, caFile, user: 'smpp-connector', logger })
  closers.add('nats', nats, (opened) => opened.close())
  const gateway = createGateway({
    operatorIds: config.OPERATOR_IDS,
    settings: config.OPERATOR_OPTIONS,
    fetchCredentials: credentialsFrom({
      url: config.OPERATOR_MGMT_URL,
      token: config.INTERNAL_SERVICE_TOKEN,
      timeoutMs: timings.credentialsMs,
    }),
    now: Date.now,
    random: Math.random,
    newId: randomUUID,
    timings,
    nats,
    shared,
    metrics,
    logger,
    elapsed,
    sleep,
  })
  const operations = await serveOperations({
    host: config.HOST,
    port: config.PORT,
    metrics,
    ready: () => gateway.ready(),
    route: sessionsRoute({
      operators: gateway.operators,
      token: config.INTERNAL_SERVICE_TOKEN,
      newId: randomUUID,
    }),
  })
  closers.add('operations', operations, (opened) => opened.close())
  // Added last, so that it ends first: while it drains, NATS and the health endpoints still work.
  closers.add('gateway', gateway, (opened) => opened.stop())
  gateway.start()
})
