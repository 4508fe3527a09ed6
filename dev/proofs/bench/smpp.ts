import { fork, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { AckPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'
import { Histogram } from 'prom-client'
import { z } from 'zod'
import { operatorSettings, TIMINGS } from '../../../smpp-gateway/config.ts'
import { createGateway } from '../../../smpp-gateway/gateway.ts'
import { connectNats } from '../../../streams/nats/link.ts'
import { connectRedis } from '../../../smpp-gateway/redis.ts'
import { encode } from '../../../streams/contracts/decode.ts'
import { commandExample } from '../../../streams/contracts/examples.ts'
import {
  commandDurable,
  commandSubject,
  DUPLICATE_WINDOW_MS,
  STREAMS,
} from '../../../streams/contracts/subjects.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { flag, list, milliseconds, positive, readConfig } from '../../../streams/platform/config.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { startSmsc } from '../../neighbours/smsc/server.ts'

/**
 * Submits per second of one gateway process over one bind, by window: NATS command, permit and
 * journal in Redis, submit_sm, result on NATS, acknowledgement, and the receipt of each. The
 * commands lie in the stream before the clock starts, and the simulated operator runs in a process
 * of its own. Latencies are those of submit_sm until its response.
 *
 * `npm run bench -- smpp --json` for one line of JSON. BENCH_WINDOWS ("1,10,100"), BENCH_MESSAGES
 * for each, BENCH_RECEIPTS and BENCH_LATENCY_MS (of the operator) vary it.
 */
const env = {
  NATS_URL: z.string(),
  REDIS_URL: z.string(),
  BENCH_WINDOWS: list.default(['1', '10', '100']),
  BENCH_MESSAGES: positive.default(20_000),
  BENCH_RECEIPTS: flag.default(true),
  BENCH_LATENCY_MS: milliseconds.default(0),
}
type BenchConfig = ReturnType<typeof readConfig<typeof env>>

const ACCOUNT = { systemId: 'bench', password: 'bench' }
/** The last three digits choose what the simulator does: 916 sends no receipt. */
const BEHAVIOUR = { withReceipt: '000', withoutReceipt: '916' }
const NO_LIMIT = 1_000_000
const PUBLISHED_AT_ONCE = 500

async function simulate(): Promise<void> {
  const smsc = await startSmsc({
    operators: [{ ...ACCOUNT, responseDelayMs: Number(process.env['BENCH_LATENCY_MS'] ?? 0) }],
  })
  process.send?.({ port: smsc.port })
  process.once('message', () => process.exit(0))
}

function startSimulator(): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(fileURLToPath(import.meta.url), ['simulate'], { execArgv: ['--import', 'tsx'] })
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('the simulator ended')))
    child.once('message', (message) =>
      resolve({ child, port: z.object({ port: z.number() }).parse(message).port }),
    )
  })
}

async function provision(nats: NatsConnection, operatorId: string): Promise<() => Promise<number>> {
  const manager = await jetstreamManager(nats)
  for (const { name, subjects, maxAgeMs } of STREAMS) {
    await manager.streams.add({
      name,
      subjects: [...subjects],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
      max_age: nanos(maxAgeMs),
    })
  }
  await manager.consumers.add('SMPP_OUTBOUND', {
    durable_name: commandDurable(operatorId),
    filter_subject: commandSubject(operatorId),
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(60_000),
    max_ack_pending: -1,
  })
  return async () => {
    const info = await manager.consumers.info('SMPP_OUTBOUND', commandDurable(operatorId))
    return info.num_pending + info.num_ack_pending
  }
}

async function publishCommands(nats: NatsConnection, operatorId: string, config: BenchConfig): Promise<void> {
  const behaviour = config.BENCH_RECEIPTS ? BEHAVIOUR.withReceipt : BEHAVIOUR.withoutReceipt
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
  const publish = (index: number): Promise<unknown> => {
    const to = `+4477${String(index % 100_000).padStart(5, '0')}${behaviour}`
    const command = {
      ...commandExample,
      operatorId,
      to,
      expiresAt,
      messageId: randomUUID(),
      eventId: randomUUID(),
    }
    return nats.request(commandSubject(operatorId), encode(command), { timeout: 10_000 })
  }
  for (let from = 0; from < config.BENCH_MESSAGES; from += PUBLISHED_AT_ONCE) {
    const count = Math.min(PUBLISHED_AT_ONCE, config.BENCH_MESSAGES - from)
    await Promise.all(Array.from({ length: count }, (_, at) => publish(from + at)))
  }
}

interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMicrosPerSubmit: number
}

async function measureWindow(nats: NatsConnection, config: BenchConfig, window: number): Promise<Figures> {
  const operatorId = randomUUID()
  const remaining = await provision(nats, operatorId)
  const simulator = await startSimulator()
  await publishCommands(nats, operatorId, config)
  const { secondsOfSubmits, bound, stop } = await startUnderTest(config, operatorId, window, simulator.port)
  await bound()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  while ((await remaining()) > 0) await sleep(20)
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  await stop()
  simulator.child.removeAllListeners('exit')
  simulator.child.send('stop')
  await (await jetstreamManager(nats)).consumers.delete('SMPP_OUTBOUND', commandDurable(operatorId))
  return {
    perSecond: Math.round(config.BENCH_MESSAGES / seconds),
    p50Ms: quantileMs(secondsOfSubmits, 0.5),
    p99Ms: quantileMs(secondsOfSubmits, 0.99),
    cpuMicrosPerSubmit: Math.round((cpu.user + cpu.system) / config.BENCH_MESSAGES),
  }
}

function quantileMs(seconds: readonly number[], part: number): number {
  const sorted = seconds.toSorted((a, b) => a - b)
  return Math.round((sorted[Math.floor(sorted.length * part)] ?? 0) * 100_000) / 100
}

async function measure(): Promise<void> {
  const config = readConfig(env)
  const nats = await connect({ servers: config.NATS_URL })
  const windows: Record<string, Figures> = {}
  for (const window of config.BENCH_WINDOWS)
    windows[window] = await measureWindow(nats, config, Number(window))
  await nats.close()
  if (process.argv.includes('--json')) console.log(JSON.stringify({ name: 'smpp', windows }))
  else console.table(windows)
}

const elapsed = (): number => performance.now()

interface UnderTest {
  readonly secondsOfSubmits: readonly number[]
  readonly bound: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** Buckets are too coarse for one bind: each observation is kept as well. */
function observationsOf(metrics: Metrics, name: string): readonly number[] {
  const metric = metrics.registry.getSingleMetric(name)
  if (!(metric instanceof Histogram)) throw new Error(`${name} is no histogram`)
  const kept: number[] = []
  metric.observe = new Proxy(metric.observe.bind(metric), {
    apply: (observe, self, given: Parameters<typeof metric.observe>) => {
      const [, value]: readonly unknown[] = given
      if (typeof value === 'number') kept.push(value)
      Reflect.apply(observe, self, given)
    },
  })
  return kept
}

async function startUnderTest(
  config: BenchConfig,
  operatorId: string,
  window: number,
  port: number,
): Promise<UnderTest> {
  // Lines are made as in production, and dropped: a pipe would measure its reader.
  const logger = createLogger({ service: 'smpp-gateway', level: 'info', destination: { write: () => {} } })
  const shared = connectRedis({ url: config.REDIS_URL, now: elapsed, logger })
  const nats = connectNats({ url: config.NATS_URL, user: 'smpp-connector', logger })
  const credentials = {
    ...ACCOUNT,
    operatorId,
    port,
    host: '127.0.0.1',
    systemType: '',
    tpsLimit: NO_LIMIT,
    bindMode: 'TRANSCEIVER' as const,
    backupOperatorId: null,
  }
  const metrics = new Metrics().withProcessMetrics()
  const gateway = createGateway({
    operatorIds: [operatorId],
    settings: { [operatorId]: operatorSettings({ window }) },
    // Nobody else can hold the lease of an operator that was made up here.
    timings: { ...TIMINGS, leaseMs: 1_000, leaseRenewMs: 300 },
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
  const secondsOfSubmits = observationsOf(metrics, 'smpp_connector_submit_sm_duration_seconds')
  gateway.start()
  const stop = async (): Promise<void> => {
    await gateway.stop()
    await nats.close()
    shared.close()
  }
  const bound = async (): Promise<void> => {
    while (gateway.operators.get(operatorId)?.view.state !== 'BOUND') await sleep(1)
  }
  return { secondsOfSubmits, bound, stop }
}

await (process.argv[2] === 'simulate' ? simulate() : measure())
