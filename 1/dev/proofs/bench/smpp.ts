import { z } from 'zod'
import { flag, list, milliseconds, positive, readConfig } from '../../../streams/platform/config.ts'
import { ensurePrograms } from '../../stack/install.ts'
import { Part } from './smpp-children.ts'
import { measureKannel, type KannelFigures } from './smpp-kannel.ts'
import { Load } from './smpp-load.ts'

/**
 * Submits per second of one gateway process over one bind, by window: NATS command, permit and
 * journal in Redis, submit_sm, result on NATS, acknowledgement, and the receipt of each. The
 * commands lie in the stream before the clock starts, and it stops when the last command is
 * acknowledged and the last receipt held. Gateway and simulated operator are processes of their
 * own. Latencies are those of submit_sm until its response.
 *
 * Then the widest window in turn with Kannel's bearerbox, see smpp-kannel.ts.
 *
 * `npm run bench -- smpp --json` for one line of JSON. BENCH_WINDOWS ("1,10,100"), BENCH_MESSAGES
 * for each, BENCH_RECEIPTS, BENCH_LATENCY_MS (of the operator) and BENCH_ROUNDS (with Kannel;
 * 0: without it) vary it. BENCH_PROFILES: a folder for CPU profiles of the gateway.
 */
const env = {
  NATS_URL: z.string(),
  REDIS_URL: z.string(),
  BENCH_WINDOWS: list.default(['1', '10', '100']),
  BENCH_MESSAGES: positive.default(20_000),
  BENCH_RECEIPTS: flag.default(true),
  BENCH_LATENCY_MS: milliseconds.default(0),
  BENCH_ROUNDS: z.coerce.number().int().min(0).default(3),
  BENCH_PROFILES: z.string().default(''),
}
type BenchConfig = ReturnType<typeof readConfig<typeof env>>

/** As it is started in production, see docker-compose.redpanda.yml. */
const GATEWAY_NODE_OPTIONS = ['--max-semi-space-size=64']

interface Figures {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMicrosPerSubmit: number
}
const Report = z.object({ p50Ms: z.number(), p99Ms: z.number(), cpuMicros: z.number() })
const Listening = z.object({ port: z.number() })

async function measureWindow(config: BenchConfig, window: number): Promise<Figures> {
  const {
    NATS_URL: natsUrl,
    REDIS_URL: redisUrl,
    BENCH_MESSAGES: messages,
    BENCH_PROFILES: profiles,
  } = config
  const load = await Load.open(natsUrl)
  const simulator = new Part('smpp-simulator.ts', { responseDelayMs: config.BENCH_LATENCY_MS })
  const { port } = Listening.parse(await simulator.told('listening'))
  await load.publish(messages, config.BENCH_RECEIPTS)
  const profiling = profiles === '' ? [] : ['--cpu-prof', '--cpu-prof-dir', profiles]
  const { operatorId } = load
  const given = { natsUrl, redisUrl, operatorId, window, port }
  const gateway = new Part('smpp-gateway.ts', given, [...GATEWAY_NODE_OPTIONS, ...profiling])
  await gateway.told('ready')
  gateway.say('start')
  await gateway.told('bound')
  const startedAt = performance.now()
  await load.done(config.BENCH_RECEIPTS ? messages : 0)
  const seconds = (performance.now() - startedAt) / 1_000
  gateway.say('report')
  const { p50Ms, p99Ms, cpuMicros } = Report.parse(await gateway.told('report'))
  await gateway.end()
  await simulator.end()
  await load.close()
  const cpuMicrosPerSubmit = Math.round(cpuMicros / messages)
  return { perSecond: Math.round(messages / seconds), p50Ms, p99Ms, cpuMicrosPerSubmit }
}

/**
 * Both at the widest window, one after the other and in turn, so that what else the machine does
 * meets both. The middle one of each counts.
 */
async function besideKannel(config: BenchConfig): Promise<BesideKannel> {
  const window = Math.max(...config.BENCH_WINDOWS.map(Number))
  const ours: number[] = []
  const kannels: KannelFigures[] = []
  for (let round = 0; round < config.BENCH_ROUNDS; round += 1) {
    kannels.push(await measureKannel(window, config.BENCH_MESSAGES))
    ours.push((await measureWindow(config, window)).perSecond)
  }
  const kannelPerSecond = middle(kannels.map(({ perSecond }) => perSecond))
  return {
    kannelPerSecond,
    ratioToKannel: Math.round((middle(ours) / kannelPerSecond) * 100) / 100,
    pairs: ours.map((perSecond, at) => ({ perSecond, kannel: kannels[at] })),
  }
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

interface BesideKannel {
  readonly kannelPerSecond: number | null
  readonly ratioToKannel: number | null
  readonly pairs?: readonly unknown[]
  readonly kannelMissing?: string
}

/** A machine without Kannel still measures the gateway, and says what is missing. */
async function compared(config: BenchConfig): Promise<BesideKannel> {
  const none = { kannelPerSecond: null, ratioToKannel: null }
  if (config.BENCH_ROUNDS === 0) return none
  try {
    await ensurePrograms(
      ['bearerbox'],
      (line) => console.error(`[bench] ${line}`),
      new AbortController().signal,
    )
  } catch (error) {
    const kannelMissing = error instanceof Error ? error.message : 'Kannel cannot be installed'
    console.error(`[bench] not compared with Kannel: ${kannelMissing}`)
    return { ...none, kannelMissing }
  }
  return besideKannel(config)
}

const config = readConfig(env)
const windows: Record<string, Figures> = {}
for (const window of config.BENCH_WINDOWS) windows[window] = await measureWindow(config, Number(window))
const comparison = await compared(config)
if (process.argv.includes('--json')) console.log(JSON.stringify({ name: 'smpp', windows, ...comparison }))
else {
  console.table(windows)
  console.table(comparison)
}
