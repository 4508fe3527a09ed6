import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { connectKafka } from '../../streams/log/kafka.ts'
import { aggregate, dedupe, stateless, type Job } from './streams-jobs.ts'
import { endToEnd, fill, provision, throughput, type Figures, type Setting } from './streams-run.ts'

/**
 * `npm run bench -- streams [--records N] [--partitions 1,6] [--json]`: records per second of the runtime in one process on a
 * real broker, 300-byte records, commit every 100 ms, read committed. The restore has a benchmark of its own (restore.ts).
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '300000' },
    partitions: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
})
const records = Number(values.records)
const SEGMENTS = 3
const COMMIT_MS = 100

const log = connectKafka({
  brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','),
  clientId: 'bench-streams',
})
const say = (line: string): void => console.error(line)
const jobs = { stateless, dedupe, aggregate }

for (const partitions of values.partitions.split(',').map(Number)) {
  const setting: Setting = { log, partitions, commitMs: COMMIT_MS }
  const measured: Record<string, Figures> = {}
  for (const [name, make] of Object.entries(jobs)) {
    const job = await fresh(setting, make, name)
    const segments = name === 'aggregate' ? SEGMENTS : 1
    const written = await fill(setting, job, Math.floor(records / segments), segments)
    const figures = await throughput(setting, job, written)
    measured[name] = figures
    say(
      `${name}, ${partitions} partitions: ${figures.perSecond}/s, ${figures.cpuMicrosPerRecord} us a record`,
    )
  }
  const half = Math.round((measured['dedupe']?.perSecond ?? 0) / 2)
  const job = await fresh(setting, dedupe, 'latency')
  const ages = await endToEnd(setting, job, half, Number(values.seconds))
  console.log(JSON.stringify(summary(partitions, measured, ages, half)))
}
await log.close()

async function fresh(setting: Setting, make: (name: string) => Job, name: string): Promise<Job> {
  const job = make(`bench-${name}-${randomUUID().slice(0, 8)}`)
  await provision(setting, job)
  return job
}

function summary(
  partitions: number,
  measured: Readonly<Record<string, Figures>>,
  ages: readonly number[],
  half: number,
) {
  const { stateless: map, dedupe: once, aggregate: collect } = measured
  return {
    name: 'streams',
    partitions,
    statelessPerSecond: map?.perSecond,
    dedupePerSecond: once?.perSecond,
    aggregatePerSecond: collect?.perSecond,
    commitMs: quantiles(collect?.commitMs ?? []),
    endToEndMs: { ...quantiles(ages), atPerSecond: half },
    cpuMicrosPerRecord: collect?.cpuMicrosPerRecord,
    rssMb: collect?.rssMb,
    broker: 'Apache Kafka of the local stack',
  }
}

function quantiles(samples: readonly number[]): { p50: number; p99: number } {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  return { p50: at(0.5), p99: at(0.99) }
}
