import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from '../../streams/contracts/decode.ts'
import { changelogsOf } from '../../streams/dsl/topology.ts'
import { partitionOf } from '../../streams/log/partitioner.ts'
import type { LogClient, OutRecord } from '../../streams/log/port.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import { systemClock } from '../../streams/runtime/clock.ts'
import { noHooks } from '../../streams/runtime/hooks.ts'
import { DEFAULT_LIMITS } from '../../streams/runtime/limits.ts'
import { Prefetcher } from '../../streams/runtime/prefetch.ts'
import { levelStores } from '../../streams/runtime/store-level.ts'
import { Worker } from '../../streams/runtime/worker.ts'
import { partOf, type Job } from './streams-jobs.ts'

/** Runs one job over a real broker: with a backlog for throughput, at a given rate for latency. */
export interface Figures {
  readonly perSecond: number
  readonly cpuMicrosPerRecord: number
  readonly commitMs: readonly number[]
  readonly rssMb: number
}

export interface Setting {
  readonly log: LogClient
  readonly partitions: number
  /** Commit interval: Kafka Streams' default under exactly_once_v2. */
  readonly commitMs: number
}

const WRITE_MAX = 3000

export async function provision({ log, partitions }: Setting, job: Job): Promise<void> {
  const plain = [job.input.name, job.output.name, `${job.input.name}.deadletter`]
  const spec = (name: string, policy: string) => ({
    name,
    partitions,
    replicas: 1,
    config: { 'cleanup.policy': policy },
  })
  await log.admin.ensureTopics([
    ...plain.map((name) => spec(name, 'delete')),
    ...changelogsOf(job.topology).map((name) => spec(name, 'compact')),
  ])
}

/** `segments` records for each of `keys` keys, one round of keys after the other. */
export async function fill(setting: Setting, job: Job, keys: number, segments: number): Promise<number> {
  const writer = setting.log.writer()
  let batch: OutRecord[] = []
  for (let part = 0; part < segments; part += 1) {
    for (let key = 0; key < keys; key += 1) {
      batch.push(recordOf(setting, job, `key-${String(key).padStart(12, '0')}`, part, Date.now()))
      if (batch.length < WRITE_MAX) continue
      await writer.write(batch)
      batch = []
    }
  }
  await writer.write(batch)
  await writer.close()
  return keys * segments
}

export function recordOf(setting: Setting, job: Job, id: string, part: number, timestamp: number): OutRecord {
  const value = encode(partOf(id, part))
  return { topic: job.input.name, partition: partitionOf(id, setting.partitions), key: id, value, timestamp }
}

export async function throughput(setting: Setting, job: Job, records: number): Promise<Figures> {
  const figures = { records: 0, startedMs: 0, cpu: process.cpuUsage(), commitMs: [] as number[] }
  const member = await startMember(setting, job, {
    running: () => {
      if (figures.startedMs === 0)
        Object.assign(figures, { startedMs: performance.now(), cpu: process.cpuUsage() })
    },
    committed: (count, commitMs) => {
      figures.records += count
      figures.commitMs.push(commitMs)
    },
  })
  while (figures.records < records) await sleep(5)
  const elapsedMs = performance.now() - figures.startedMs
  const cpu = process.cpuUsage(figures.cpu)
  const rssMb = Math.round(process.memoryUsage().rss / 2 ** 20)
  await member.close()
  return {
    perSecond: Math.round((records * 1000) / elapsedMs),
    cpuMicrosPerRecord: Math.round((cpu.user + cpu.system) / records),
    commitMs: figures.commitMs,
    rssMb,
  }
}

interface Told {
  readonly running: () => void
  readonly committed: (records: number, commitMs: number) => void
}

export async function startMember(
  setting: Setting,
  job: Job,
  told: Told,
): Promise<{ close(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-streams-'))
  const worker = new Worker({
    app: `bench-${randomUUID().slice(0, 8)}`,
    topology: job.topology,
    log: setting.log,
    stores: levelStores(directory, sleep),
    prefetcher: new Prefetcher({ lookups: {}, clock: systemClock, inFlightMax: 1, deadlineMs: 1 }),
    clock: systemClock,
    random: Math.random,
    limits: { ...DEFAULT_LIMITS, commitMs: setting.commitMs },
    hooks: {
      ...noHooks,
      running: told.running,
      committed: (_, { read, commitMs }) =>
        told.committed(
          [...read.values()].reduce((sum, n) => sum + n, 0),
          commitMs,
        ),
      failed: (_, error) => console.error(error),
    },
    onFailed: (error) => console.error(error),
  })
  await worker.start()
  return {
    close: async () => {
      await worker.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Ages of outputs at a read_committed reader while the job is fed at `perSecond`; ms. */
export async function endToEnd(
  setting: Setting,
  job: Job,
  perSecond: number,
  seconds: number,
): Promise<number[]> {
  let running = 0
  const member = await startMember(setting, job, { running: () => (running += 1), committed: () => {} })
  while (running < setting.partitions) await sleep(10)
  const ages: number[] = []
  const reading = readAges(setting, job, ages, perSecond * seconds)
  const writer = setting.log.writer()
  const startedMs = performance.now()
  let sent = 0
  while (sent < perSecond * seconds) {
    const due = Math.min(
      perSecond * seconds,
      Math.floor(((performance.now() - startedMs) / 1000) * perSecond),
    )
    const batch: OutRecord[] = []
    for (; sent < due; sent += 1) batch.push(recordOf(setting, job, `e2e-${sent}`, 0, Date.now()))
    if (batch.length > 0) await writer.write(batch)
    await sleep(5)
  }
  await writer.close()
  await reading
  await member.close()
  return ages
}

async function readAges(setting: Setting, job: Job, ages: number[], count: number): Promise<void> {
  const lanes = Array.from({ length: setting.partitions }, async (_, partition) => {
    const reader = setting.log.reader()
    const at = { topic: job.output.name, partition }
    for (let next = 0; ages.length < count; ) {
      const read = await reader.read(at, next, { bytesMax: 4_000_000, waitMs: 20 })
      const nowMs = Date.now()
      for (const record of read.records) ages.push(nowMs - record.timestamp)
      next = Math.max(next, read.next)
    }
    await reader.close()
  })
  await Promise.all(lanes)
}
