import { randomUUID } from 'node:crypto'
import type { Histogram } from 'prom-client'
import { z } from 'zod'
import { operatorSettings, TIMINGS } from '../../../smpp-gateway/config.ts'
import { createGateway } from '../../../smpp-gateway/gateway.ts'
import { connectRedis } from '../../../smpp-gateway/redis.ts'
import { connectNats } from '../../../streams/nats/link.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { given, onWord, tell } from './smpp-children.ts'

/**
 * The gateway under test, composed as in its `main.ts` but for the credentials, which are given.
 * Says `bound`, and at `report` what the submits took since.
 */
const { natsUrl, redisUrl, operatorId, window, port } = z
  .object({
    natsUrl: z.string(),
    redisUrl: z.string(),
    operatorId: z.string(),
    window: z.number(),
    port: z.number(),
  })
  .parse(given())

const NO_LIMIT = 1_000_000
const DURATIONS = 'smpp_connector_submit_sm_duration_seconds'

/** Buckets are too coarse for one bind: each observation is kept as well. */
class ObservedMetrics extends Metrics {
  readonly submitSeconds: number[] = []

  override histogram<L extends string>(
    ...settings: Parameters<typeof Metrics.prototype.histogram<L>>
  ): Histogram<L> {
    const made = super.histogram<L>(...settings)
    if (settings[0] === DURATIONS) this.#keep(made)
    return made
  }

  #keep<L extends string>(histogram: Histogram<L>): void {
    const kept = this.submitSeconds
    histogram.labels = new Proxy(histogram.labels.bind(histogram), {
      apply: (labels, self, labelled: Parameters<typeof histogram.labels>) => {
        const series = Reflect.apply(labels, self, labelled)
        const observe = (seconds: number): void => {
          kept.push(seconds)
          series.observe(seconds)
        }
        return { ...series, observe }
      },
    })
  }
}

const elapsed = (): number => performance.now()
// Lines are made as in production, and dropped: a pipe would measure its reader.
const logger = createLogger({ service: 'smpp-gateway', level: 'info', destination: { write: () => {} } })
const shared = connectRedis({ url: redisUrl, now: elapsed, logger })
const nats = connectNats({ url: natsUrl, user: 'smpp-connector', logger })
const metrics = new ObservedMetrics()
metrics.withProcessMetrics()
const credentials = {
  operatorId,
  port,
  systemId: 'bench',
  password: 'bench',
  host: '127.0.0.1',
  systemType: '',
  tpsLimit: NO_LIMIT,
  bindMode: 'TRANSCEIVER' as const,
  backupOperatorId: null,
}
const gateway = createGateway({
  operatorIds: [operatorId],
  settings: { [operatorId]: operatorSettings({ window }) },
  timings: TIMINGS,
  fetchCredentials: () => Promise.resolve({ kind: 'found', credentials }),
  now: Date.now,
  random: Math.random,
  newId: randomUUID,
  metrics,
  nats,
  shared,
  logger,
  elapsed,
  sleep,
})

const quantileMs = (seconds: readonly number[], part: number): number => {
  const sorted = seconds.toSorted((a, b) => a - b)
  return Math.round((sorted[Math.floor(sorted.length * part)] ?? 0) * 100_000) / 100
}

let cpuBefore = process.cpuUsage()
onWord('start', () => void start())
onWord('report', () => {
  const { user, system } = process.cpuUsage(cpuBefore)
  const { submitSeconds } = metrics
  tell({
    kind: 'report',
    submits: submitSeconds.length,
    p50Ms: quantileMs(submitSeconds, 0.5),
    p99Ms: quantileMs(submitSeconds, 0.99),
    cpuMicros: user + system,
  })
})
onWord('end', () => void end())
tell({ kind: 'ready' })

async function start(): Promise<void> {
  gateway.start()
  while (gateway.operators.get(operatorId)?.view.state !== 'BOUND') await sleep(1)
  cpuBefore = process.cpuUsage()
  tell({ kind: 'bound' })
}

async function end(): Promise<void> {
  await gateway.stop()
  await nats.close()
  shared.close()
  process.exit(0)
}
