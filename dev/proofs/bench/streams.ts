import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { list, readConfig } from '../../../streams/platform/config.ts'
import { jobNames, type JobName } from './streams-jobs.ts'
import { runCase, type Case, type CaseFigures } from './streams-run.ts'

/**
 * `npm run bench -- streams [--json]`: what the runtime does in one process on a real broker, with
 * records of 300 bytes, a commit every 100 ms and read_committed; several minutes. The last line
 * is one JSON object; progress goes to stderr.
 *
 * The headline figures are the standard case: one partition and a million keys in the state. All
 * cases, also with six partitions and with an empty state, are under `cases`, and `halfLoad` has
 * what an owner of several partitions looks at: commit time and age of outputs at half load.
 * `restorePerSecond`, `commitMs`, `endToEndMs`, `cpuMicrosPerRecord` and `rssMb` are those of the
 * aggregation; `endToEndMs` is the age of an output at a reader while the job gets half of what it
 * can do. CPU time is that of the whole process (garbage collector and LevelDB's threads included),
 * memory its peak.
 *
 * `--jobs join --partitions 6,12,24 --keys 0` runs a part, `--profiles DIR` leaves CPU
 * profiles of the members, `--rate N` looks at the latency at N records/s instead of half load, so
 * that two versions of unlike speed can be compared.
 */
const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: jobNames.join(',') },
    partitions: { type: 'string', default: '1,6' },
    keys: { type: 'string', default: '0,1000000' },
    records: { type: 'string', default: '240000' },
    warmUp: { type: 'string', default: '60000' },
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '0' },
    profiles: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const COMMIT_MS = 100
const STANDARD = { partitions: 1, keys: 1_000_000 }

const { KAFKA_BROKERS: brokers } = readConfig({ KAFKA_BROKERS: list })
const effort = {
  records: Number(values.records),
  warmUp: Number(values.warmUp),
  latencySeconds: Number(values.seconds),
  latencyPerSecond: Number(values.rate),
  commitMs: COMMIT_MS,
  profiles: values.profiles,
}
const log = connectKafka({ brokers, clientId: 'bench-streams' })
const broker = await nameOfBroker()
const done: CaseFigures[] = []
for (const given of cases()) {
  const figures = await runCase(log, `bench-${given.job}-${randomUUID().slice(0, 8)}`, given, effort)
  done.push(figures)
  console.error(lineOf(figures))
}
await log.close()
console.log(JSON.stringify(summary(done)))

function numbers(text: string): readonly number[] {
  return text.split(',').map(Number)
}

/** A job without state has no state to be full of. */
function cases(): readonly Case[] {
  const jobs = jobNames.filter((job) => values.jobs.split(',').includes(job))
  return numbers(values.partitions).flatMap((partitions) =>
    numbers(values.keys).flatMap((keys) =>
      jobs.filter((job) => keys === 0 || job !== 'stateless').map((job): Case => ({ job, partitions, keys })),
    ),
  )
}

function summary(all: readonly CaseFigures[]) {
  const standard = (job: JobName): CaseFigures | undefined =>
    all.find(
      (one) =>
        one.job === job &&
        one.partitions === STANDARD.partitions &&
        one.keys === (job === 'stateless' ? 0 : STANDARD.keys),
    )
  const collect = standard('aggregate')
  return {
    name: 'streams',
    statelessPerSecond: standard('stateless')?.perSecond,
    dedupePerSecond: standard('dedupe')?.perSecond,
    aggregatePerSecond: collect?.perSecond,
    restorePerSecond: collect?.restore?.perSecond,
    commitMs: collect?.commitMs,
    endToEndMs: collect?.atHalfLoad.endToEndMs,
    cpuMicrosPerRecord: collect?.cpuMicrosPerRecord,
    rssMb: collect?.rssMb,
    halfLoad: all.map(({ job, partitions, keys, atHalfLoad }) => ({ job, partitions, keys, ...atHalfLoad })),
    broker,
    standard: { ...STANDARD, payloadBytes: 300, commitMs: COMMIT_MS, isolation: 'read_committed' },
    cases: all,
  }
}

function lineOf(one: CaseFigures): string {
  const setting = `${one.job}, ${one.partitions} partitions, ${one.keys} keys`
  const cost = `${one.perSecond}/s, ${one.cpuMicrosPerRecord} us CPU a record, ${one.rssMb} MB`
  const { perSecond, endToEndMs, commitMs } = one.atHalfLoad
  const restored =
    one.restore === undefined
      ? ''
      : `, restore ${one.restore.perSecond}/s at ${one.restore.cpuMicrosPerRecord} us`
  const ages = `end to end ${endToEndMs.p50}/${endToEndMs.p99} ms`
  return `${setting}: ${cost}, ${ages}, commit ${commitMs.p50}/${commitMs.p99} ms at ${perSecond}/s${restored}`
}

/** Redpanda says who it is in its cluster id. */
async function nameOfBroker(): Promise<string> {
  const admin = new Kafka({ brokers, clientId: 'bench-streams', logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { clusterId, brokers: nodes } = await admin.describeCluster()
  await admin.disconnect()
  return `${clusterId.startsWith('redpanda') ? 'Redpanda' : 'Apache Kafka'}, ${nodes.length} node${nodes.length === 1 ? '' : 's'}`
}
