import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { AckedPublishes } from '../../../streams/nats/acked-publishes.ts'
import { connectNats } from '../../../streams/nats/link.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { startPlatform, type Platform } from '../../local/platform.ts'
import { withStack } from '../../stack/with-stack.ts'
import { percentiles } from '../demo/percentiles.ts'
import { outcomesOf, sendReceipts } from './receipts-load.ts'
import { sentMessages, type SentMessage } from './receipts-messages.ts'
import { bringToSent } from './receipts-scene.ts'

/**
 * `npm run bench -- receipts [--rates 250,500,750,1000] [--seconds 60] [--json]`: receipts at given
 * rates through the whole of their way, NATS, bridge, topologies and Postgres, with everything else
 * of the platform idle beside it. Each is of a message of its own that was sent before. Open loop:
 * a receipt leaves when it is due, and its time counts from there to the transaction in Postgres
 * that writes the outcome.
 *
 * `sustained`: nothing was lost, and the median of the last quarter was below a second, so nothing
 * piled up. `--concurrency 1000` sets DLR_MAX_CONCURRENCY; absent, it is the default.
 */
const { values } = parseArgs({
  options: {
    rates: { type: 'string', default: '250,500,750,1000' },
    seconds: { type: 'string', default: '60' },
    'warm-up': { type: 'string', default: '5000' },
    partitions: { type: 'string', default: '4' },
    concurrency: { type: 'string', default: '' },
    profiles: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const rates = values.rates.split(',').map(Number)
const seconds = Number(values.seconds)
const WARM_UP_PER_SECOND = 300
const IDLE_MS_MAX = 30_000
const PILED_UP_MS = 1_000

const say = (line: string): void => console.error(`[bench] ${line}`)

process.exitCode = await withStack(async (stack, abort) => {
  const concurrency = values.concurrency === '' ? {} : { DLR_MAX_CONCURRENCY: values.concurrency }
  const platform = await startPlatform({
    stack: { ...stack, env: { ...stack.env, ...concurrency } },
    abort,
    say,
    partitions: Number(values.partitions),
    nodeOptions: values.profiles === '' ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profiles],
  })
  try {
    console.log(JSON.stringify(await measure(platform)))
    return 0
  } finally {
    await platform.close()
  }
})

async function measure({ stack, partitions }: Platform) {
  const log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'bench-receipts' })
  const sql = new Pool({ connectionString: stack.databaseUrl, max: 2 })
  const link = connectNats({ url: stack.natsUrl, user: 'bench', logger: silentLogger })
  await link.whenConnected(AbortSignal.timeout(IDLE_MS_MAX))
  const publishes = new AckedPublishes({ link })
  try {
    const counts = [Number(values['warm-up']), ...rates.map((rate) => rate * seconds)]
    const messages = sentMessages(
      counts.reduce((sum, count) => sum + count, 0),
      Date.now(),
    )
    say(`${messages.length} messages are on their way to SENT ...`)
    await bringToSent({ log, sql, partitions }, messages)
    const figures = []
    let from = 0
    for (const [index, count] of counts.entries()) {
      const perSecond = rates[index - 1] ?? WARM_UP_PER_SECOND
      const run = await offered({ publishes, sql }, messages.slice(from, from + count), perSecond)
      from += count
      say(JSON.stringify(run))
      if (index > 0) figures.push(run)
    }
    return summary(figures)
  } finally {
    await link.close()
    await sql.end()
    await log.close()
  }
}

interface Sent {
  readonly publishes: AckedPublishes
  readonly sql: Pool
}

async function offered({ publishes, sql }: Sent, messages: readonly SentMessage[], perSecond: number) {
  const due = await sendReceipts(publishes, messages, perSecond)
  const outcomes = await outcomesOf(sql, [...due.keys()], IDLE_MS_MAX)
  const ages = [...due].flatMap(([messageId, dueMs]) => {
    const atMs = outcomes.get(messageId)
    return atMs === undefined ? [] : [atMs - dueMs]
  })
  const lost = due.size - outcomes.size
  const last = percentiles(ages.slice(Math.floor(ages.length * 0.75))).p50
  const { p50, p95, p99 } = percentiles(ages)
  const sustained = lost === 0 && last < PILED_UP_MS
  return { offeredPerSecond: perSecond, sustained, p50Ms: p50, p95Ms: p95, p99Ms: p99, lost }
}

type Figures = Awaited<ReturnType<typeof offered>>

function summary(all: readonly Figures[]) {
  const sustained = all.filter((one) => one.sustained).map(({ offeredPerSecond }) => offeredPerSecond)
  return {
    name: 'receipts',
    seconds,
    rates: all,
    maxSustainedPerSecond: Math.max(0, ...sustained),
    lost: all.reduce((sum, { lost }) => sum + lost, 0),
  }
}
