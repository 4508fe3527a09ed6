import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { systemClock } from '../../../streams/runtime/clock.ts'
import { noHooks } from '../../../streams/runtime/watch/hooks.ts'
import { DEFAULT_LIMITS } from '../../../streams/runtime/limits.ts'
import { Prefetcher } from '../../../streams/runtime/task/prefetch.ts'
import { levelStores } from '../../../streams/runtime/store/level.ts'
import { Worker } from '../../../streams/runtime/worker.ts'
import { sceneNamed, type Scene } from './memory-scene.ts'
import { Committer } from '../../../streams/runtime/commit/committer.ts'

/**
 * `npm run bench -- memory [--keys N] [--backlog N] [--partitions N] [--ceiling-mb N] --json`: the
 * resident memory of a process whose tasks hold `keys` rows and read a backlog that touches them at
 * random, on a real broker. Exit code 1 when the highest sample is above the ceiling. Resident
 * memory counts LevelDB's mapped files too, which the kernel may take back; `anonMbMax` is what it
 * may not.
 */
const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '10000000' },
    backlog: { type: 'string', default: '1000000' },
    partitions: { type: 'string', default: '4' },
    'ceiling-mb': { type: 'string', default: '2048' },
    json: { type: 'boolean', default: false },
  },
})
const keys = Number(values.keys)
const backlog = Number(values.backlog)
const ceilingMb = Number(values['ceiling-mb'])
const SAMPLE_MS = 100
/** No commit for this long: something is wrong, and a figure would be none. */
const QUIET_MS_MAX = 60_000

const directory = await mkdtemp(join(tmpdir(), 'bench-memory-'))
try {
  const name = `bench-memory-${randomUUID().slice(0, 8)}`
  await fill(name)
  const figures = await measure(sceneNamed(name))
  const ok = figures.rssMbMax <= ceilingMb
  console.log(JSON.stringify({ name: 'memory', keys, backlog, ...figures, ceilingMb, ok }))
  process.exitCode = ok ? 0 : 1
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function fill(name: string): Promise<void> {
  const script = join(fileURLToPath(import.meta.url), '..', 'memory-fill.ts')
  const options = [name, directory, values.keys, values.backlog, values.partitions]
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...options], { stdio: 'inherit' })
  await once(child, 'exit')
  if (child.exitCode !== 0) throw new Error(`filling ended with ${child.exitCode}`)
}

async function measure(scene: Scene) {
  const log = connectKafka({
    brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','),
    clientId: 'bench-memory',
  })
  const done = { records: 0, startedMs: 0, lastMs: performance.now() }
  const memory = { rss: 0, anon: 0, heap: 0 }
  const start = sample(memory)
  const worker = workerOf(scene, log, (records) => {
    done.records += records
    done.lastMs = performance.now()
  })
  await worker.start()
  done.startedMs = performance.now()
  while (done.records < backlog) {
    sample(memory)
    if (performance.now() - done.lastMs > QUIET_MS_MAX) throw new Error(`nothing more after ${done.records}`)
    await sleep(SAMPLE_MS)
  }
  const elapsedMs = performance.now() - done.startedMs
  sample(memory)
  await worker.close()
  await log.close()
  return {
    rssMbMax: memory.rss,
    rssMbAtStart: start.rss,
    anonMbMax: memory.anon,
    heapMbMax: memory.heap,
    recordsPerSecond: Math.round((backlog * 1000) / elapsedMs),
  }
}

function workerOf(scene: Scene, log: ReturnType<typeof connectKafka>, onRecords: (records: number) => void) {
  return new Worker({
    app: scene.topology.name,
    topology: scene.topology,
    log,
    stores: levelStores(directory, sleep),
    prefetcher: new Prefetcher({ lookups: {}, clock: systemClock, inFlightMax: 1, deadlineMs: 1 }),
    clock: systemClock,
    random: Math.random,
    limits: DEFAULT_LIMITS,
    committer: new Committer({
      log,
      transactionalId: `${scene.topology.name}.memory`,
      clock: systemClock,
      limits: DEFAULT_LIMITS,
      hooks: noHooks,
    }),
    hooks: {
      ...noHooks,
      committed: (_, { read }) => onRecords([...read.values()].reduce((sum, count) => sum + count, 0)),
      recovering: (_, error) => console.error(error),
      failed: (_, error) => console.error(error),
    },
    onFailed: (error) => console.error(error),
  })
}

/** Resident MiB now; keeps the highest. */
function sample(highest: { rss: number; anon: number; heap: number }): { readonly rss: number } {
  const { rss, heapUsed } = process.memoryUsage()
  const anonKb = Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0)
  const now = { rss: mb(rss), anon: mb(anonKb * 1024), heap: mb(heapUsed) }
  highest.rss = Math.max(highest.rss, now.rss)
  highest.anon = Math.max(highest.anon, now.anon)
  highest.heap = Math.max(highest.heap, now.heap)
  return now
}

function mb(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
