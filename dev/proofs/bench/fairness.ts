import { parseArgs } from 'node:util'
import { positive, readConfig } from '../../../streams/platform/config.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Closers } from '../../../streams/platform/process.ts'
import { load, type Client } from './submit-load.ts'
import { backendsEnv, prepareApi } from './submit-scene.ts'

/**
 * What a noisy tenant costs a quiet one [ER19]: one connection of B alone, then while A floods the
 * same API process over 400, in turns. A does as Retry-After says; with `--rude` it repeats what is
 * refused at once.
 *
 * `npm run bench -- fairness --json`: the last line is {name, quietP99Ms, noisyP99Ms, ratio,
 * quietP50Ms, noisyP50Ms, refusedOfB, floodAcceptedPerSecond, floodRefusedPerSecond}. That none of
 * B is refused is tested, too.
 */
const FLOOD_CONNECTIONS = 400
/** As a 503 OVERLOADED says. */
const RETRY_AFTER_MS = 1_000
const env = {
  ...backendsEnv,
  BENCH_SECONDS: positive.default(6),
  BENCH_ROUNDS: positive.default(3),
  BENCH_WARM_UP_SECONDS: positive.default(4),
}

async function measure(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, rude: { type: 'boolean', default: false } },
  })
  const config = readConfig(env)
  const closers = new Closers()
  try {
    const { api, clients } = await prepareApi(config, closers)
    const [a, b] = clients
    if (a === undefined || b === undefined) throw new Error('there are no two tenants')
    const seconds = config.BENCH_SECONDS
    const refusedPauseMs = values.rude ? 0 : RETRY_AFTER_MS
    const quiet = (of: Client) =>
      load({ port: api.port, clients: [of], connections: 1, seconds, refusedPauseMs: 0 })
    const flood = () =>
      load({ port: api.port, clients: [a], connections: FLOOD_CONNECTIONS, seconds, refusedPauseMs })
    await load({ port: api.port, clients, connections: 64, seconds: config.BENCH_WARM_UP_SECONDS })
    const rounds = []
    for (let round = 0; round < config.BENCH_ROUNDS; round++) {
      const alone = await quiet(b)
      const [beside, flooded] = await Promise.all([quiet(b), flood()])
      rounds.push({ alone, beside, flooded })
    }
    const result = {
      name: 'fairness',
      ...ofB(
        rounds.flatMap(({ alone }) => alone.latenciesMs),
        rounds.flatMap(({ beside }) => beside.latenciesMs),
      ),
      refusedOfB: rounds.reduce((sum, { beside }) => sum + beside.refused, 0),
      ...ofFlood(
        rounds.map(({ flooded }) => flooded),
        seconds,
      ),
    }
    console.log(values.json ? JSON.stringify(result) : result)
  } finally {
    await closers.closeAll(silentLogger)
  }
}

function quantile(latenciesMs: readonly number[], q: number): number {
  const sorted = latenciesMs.toSorted((left, right) => left - right)
  return Number((sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(1))
}

const ofB = (quiet: readonly number[], noisy: readonly number[]) => ({
  quietP99Ms: quantile(quiet, 0.99),
  noisyP99Ms: quantile(noisy, 0.99),
  ratio: Number((quantile(noisy, 0.99) / quantile(quiet, 0.99)).toFixed(2)),
  quietP50Ms: quantile(quiet, 0.5),
  noisyP50Ms: quantile(noisy, 0.5),
})

function ofFlood(
  rounds: readonly { readonly latenciesMs: readonly number[]; readonly refused: number }[],
  seconds: number,
) {
  const perSecond = (counts: readonly number[]) =>
    Math.round(counts.reduce((sum, count) => sum + count, 0) / seconds / rounds.length)
  return {
    floodAcceptedPerSecond: perSecond(rounds.map(({ latenciesMs }) => latenciesMs.length)),
    floodRefusedPerSecond: perSecond(rounds.map(({ refused }) => refused)),
  }
}

await measure()
