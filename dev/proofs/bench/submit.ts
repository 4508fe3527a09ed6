import { parseArgs } from 'node:util'
import { positive, readConfig } from '../../../streams/platform/config.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Closers } from '../../../streams/platform/process.ts'
import { machineBetween, machineInstant } from './pipeline-machine.ts'
import { load } from './submit-load.ts'
import { backendsEnv, prepareApi } from './submit-scene.ts'
import { startBare } from './submit-servers.ts'

/**
 * Submits per second of one API process against the least that a submit could be: a Koa route that
 * inserts one row and answers 202. Both run in processes of their own on the same database with
 * equal requests, in turns, so that a slow moment of the machine meets both.
 *
 * `npm run bench -- submit --json`: the last line is {name, acceptedPerSecond, p50Ms, p95Ms, p99Ms,
 * bareInsertPerSecond, ratioToBareInsert, cpuMs, bareCpuMs}. The last two are processor time for
 * one message, by process, which other work on the machine does not change as it changes the rates.
 */
const CONNECTIONS = 64
const env = {
  ...backendsEnv,
  BENCH_SECONDS: positive.default(4),
  BENCH_ROUNDS: positive.default(4),
  /** Until the code is compiled as far as it ever will be. */
  BENCH_WARM_UP_SECONDS: positive.default(6),
}

async function measure(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  const config = readConfig(env)
  const closers = new Closers()
  try {
    const { api, bareDatabaseUrl, clients } = await prepareApi(config, closers)
    const bare = await startBare(bareDatabaseUrl, closers)
    const loaded = (port: number, seconds: number) =>
      load({ port, clients, connections: CONNECTIONS, seconds })
    const names = new Map([
      [api.pid, 'server'],
      [bare.pid, 'server'],
    ])
    const taken = async (port: number): Promise<Taken> => {
      const before = machineInstant(names)
      const { latenciesMs } = await loaded(port, config.BENCH_SECONDS)
      return { latencies: latenciesMs, cpuMs: machineBetween(before, machineInstant(names)).cpuMs }
    }
    for (const { port } of [bare, api]) await loaded(port, config.BENCH_WARM_UP_SECONDS)
    const rounds: Round[] = []
    for (let round = 0; round < config.BENCH_ROUNDS; round++)
      rounds.push({ bare: await taken(bare.port), api: await taken(api.port) })
    const result = resultOf(rounds, config.BENCH_SECONDS)
    console.log(values.json ? JSON.stringify(result) : result)
  } finally {
    await closers.closeAll(silentLogger)
  }
}

/** What one server took in one round. */
interface Taken {
  readonly latencies: readonly number[]
  /** By process. */
  readonly cpuMs: ReadonlyMap<string, number>
}

interface Round {
  readonly bare: Taken
  readonly api: Taken
}

function resultOf(rounds: readonly Round[], seconds: number) {
  const api = rounds.map((round) => round.api)
  const bare = rounds.map((round) => round.bare)
  const sorted = api.flatMap(({ latencies }) => latencies).toSorted((a, b) => a - b)
  const quantileMs = (q: number) => Number((sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(1))
  const perSecond = (count: number) => Math.round(count / seconds / rounds.length)
  return {
    name: 'submit',
    acceptedPerSecond: perSecond(countOf(api)),
    p50Ms: quantileMs(0.5),
    p95Ms: quantileMs(0.95),
    p99Ms: quantileMs(0.99),
    bareInsertPerSecond: perSecond(countOf(bare)),
    ratioToBareInsert: Number((countOf(api) / countOf(bare)).toFixed(2)),
    cpuMs: cpuOf(api),
    bareCpuMs: cpuOf(bare),
  }
}

const countOf = (all: readonly Taken[]): number =>
  all.reduce((sum, { latencies }) => sum + latencies.length, 0)

const cpuOf = (all: readonly Taken[]) =>
  Object.fromEntries(
    ['server', 'postgres', 'nats', 'redis', 'bench'].map((name) => {
      const spentMs = all.reduce((sum, { cpuMs }) => sum + (cpuMs.get(name) ?? 0), 0)
      return [name, Number((spentMs / countOf(all)).toFixed(3))]
    }),
  )

await measure()
