import { parseArgs } from 'node:util'
import { z } from 'zod'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { list, readConfig } from '../../../streams/platform/config.ts'
import { systemClock } from '../../../streams/runtime/clock.ts'
import { noHooks, type RoundFigures } from '../../../streams/runtime/watch/hooks.ts'
import { DEFAULT_LIMITS } from '../../../streams/runtime/limits.ts'
import { Prefetcher } from '../../../streams/runtime/task/prefetch.ts'
import { levelStores, writeBufferBytesOf } from '../../../streams/runtime/store/level.ts'
import { Worker } from '../../../streams/runtime/worker.ts'
import { jobNames, jobOf } from './streams-jobs.ts'
import { Committer } from '../../../streams/runtime/commit/committer.ts'

/**
 * The process that is measured: one worker and nothing else, so that its CPU time and memory are
 * the runtime's own. It tells its parent when all its tasks run. It tells its figures when asked to
 * stop or after `records`, and leaves its stores for the next member of the same case.
 */
const Options = z.object({
  job: z.enum(jobNames),
  name: z.string(),
  partitions: z.coerce.number(),
  directory: z.string(),
  commitMs: z.coerce.number(),
  /** The first ones, while code and caches are cold, do not count. */
  warmUp: z.coerce.number(),
  records: z.coerce.number(),
})

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    job: text,
    name: text,
    partitions: text,
    directory: text,
    commitMs: text,
    warmUp: text,
    records: text,
  },
})
const options = Options.parse(values)
const { KAFKA_BROKERS: brokers } = readConfig({ KAFKA_BROKERS: list })

interface Sample {
  readonly atMs: number
  readonly cpu: NodeJS.CpuUsage
}
const now = (): Sample => ({ atMs: performance.now(), cpu: process.cpuUsage() })

const startedAt = now()
const measured = {
  running: 0,
  restored: 0,
  restoredAt: startedAt,
  records: 0,
  from: startedAt,
  to: startedAt,
}
const commitMs: number[] = []

const log = connectKafka({ brokers, clientId: 'bench-streams' })
const limits = { ...DEFAULT_LIMITS, commitMs: options.commitMs }
const worker = new Worker({
  app: 'bench',
  topology: jobOf(options.job, options.name).topology,
  log,
  stores: levelStores(options.directory, sleep, writeBufferBytesOf(options.partitions)),
  prefetcher: new Prefetcher({ lookups: {}, clock: systemClock, inFlightMax: 1, deadlineMs: 1 }),
  clock: systemClock,
  random: Math.random,
  limits,
  committer: new Committer({
    log,
    transactionalId: `bench.${options.name}`,
    clock: systemClock,
    limits,
    hooks: noHooks,
  }),
  hooks: {
    ...noHooks,
    restored: (_, records) => (measured.restored += records),
    running: onRunning,
    committed: (_, figures) => onCommitted(figures),
    failed: (_, error) => onFailed(error),
  },
  onFailed,
})
process.on('message', () => void finish())
await worker.start()

function onRunning(): void {
  measured.running += 1
  if (measured.running !== options.partitions) return
  measured.restoredAt = now()
  process.send?.({ kind: 'running' })
}

function onCommitted(figures: RoundFigures): void {
  const before = measured.records
  for (const count of figures.read.values()) measured.records += count
  if (before >= options.warmUp) commitMs.push(figures.commitMs)
  else measured.from = now()
  measured.to = now()
  if (before < options.records && measured.records >= options.records) void finish()
}

function onFailed(error: unknown): void {
  console.error(error)
  process.exit(1)
}

async function finish(): Promise<void> {
  const counted = Math.max(0, measured.records - options.warmUp)
  const told = {
    kind: 'done',
    restored: measured.restored,
    restore: spent(startedAt, measured.restoredAt, measured.restored),
    run: spent(measured.from, measured.to, counted),
    commitMs,
    rssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  }
  await worker.close()
  await log.close()
  process.send?.(told, () => process.disconnect())
}

function spent(from: Sample, to: Sample, records: number): { perSecond: number; cpuMicros: number } {
  const cpuMicros = to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system
  const elapsedMs = to.atMs - from.atMs
  return {
    perSecond: elapsedMs === 0 ? 0 : Math.round((records * 1000) / elapsedMs),
    cpuMicros: records === 0 ? 0 : Math.round((cpuMicros * 10) / records) / 10,
  }
}
