import { connectKafka, kafkaOptions } from '../streams/log/kafka.ts'
import { sleep } from '../streams/platform/backoff.ts'
import { readConfig } from '../streams/platform/config.ts'
import { createLogger } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { serveOperations } from '../streams/platform/operations-server.ts'
import { runProcess } from '../streams/platform/process.ts'
import { startTracing } from '../streams/platform/tracing.ts'
import { startBridges } from './bridges.ts'
import { bridgesEnv, provisionOptions } from './config.ts'
import { connectNats, type NatsLink } from '../streams/nats/link.ts'
import { marksOn, UnmarkedDurable } from './nats/durable-start.ts'
import { provisionThrough } from './nats/provision.ts'
import { addressOf, userOf, type NatsUser } from './nats/users.ts'

const config = readConfig(bridgesEnv)
const logger = createLogger({ service: 'bridges', level: config.LOG_LEVEL })

await runProcess(logger, async (closers, fail) => {
  closers.add('tracing', startTracing('bridges', config.OTEL_EXPORTER_OTLP_ENDPOINT), (one) => one.close())
  const metrics = new Metrics().withProcessMetrics()
  const log = connectKafka({ ...kafkaOptions(config), clientId: 'bridges', logger })
  closers.add('log', log, (one) => one.close())
  const connected = (user: NatsUser) => {
    const link = connectNats({ ...addressOf(user, config), caFile: config.NATS_CA_FILE, user, logger })
    return closers.add(user, link, (one) => one.close())
  }
  const links: Record<NatsUser, NatsLink> = {
    'sms-orchestrator': connected('sms-orchestrator'),
    'dlr-processor': connected('dlr-processor'),
    'smpp-mirror': connected('smpp-mirror'),
  }
  const maker = config.NATS_PROVISION ? links['sms-orchestrator'] : undefined
  const world = { now: Date.now, sleep, random: Math.random, logger }
  const bridges = startBridges({
    ...world,
    log,
    linkOf: (mirror) => links[userOf(mirror)],
    metrics,
    pollMs: config.POLL_MS,
    stuckAfterMs: config.STUCK_AFTER_MS,
    isUnmarkedAllowed: config.BRIDGE_PUBLISH_UNMARKED,
    durables: { provisioning: provisionOptions(config), maker },
    onFailed: fail,
  })
  closers.add('bridges', bridges, (one) => one.close())
  const { HOST: host, PORT } = config
  const server = await serveOperations({
    host,
    port: PORT,
    metrics,
    ready: () => bridges.ready(),
    live: () => bridges.live(),
  })
  closers.add('operations', server, (one) => one.close())
  if (maker !== undefined)
    provisionThrough(maker, { ...provisionOptions(config), ...world, marks: marksOn(log) }).catch((error) => {
      // One operator's durable must not keep the others waiting: the bridges go on to say so.
      if (!(error instanceof UnmarkedDurable)) fail(error)
    })
})
