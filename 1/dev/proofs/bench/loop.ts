/**
 * For how long a task holds the event loop at a stretch, at a full backlog of large records:
 * heartbeats, fetches and answers wait for it. A stretch counts with the smaller of its time and
 * the CPU time that the process had meanwhile, because the machine may be busy with something else.
 * Run: npm run bench -- loop [--bytes 1600] [--records 20000] [--outputs 8] [--compression lz4]
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { encode } from '../../../streams/contracts/decode.ts'
import { envelope, topic } from '../../../streams/contracts/topic.ts'
import { defineProcessor } from '../../../streams/dsl/processor.ts'
import { changelogsOf, defineTopology } from '../../../streams/dsl/topology.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { systemClock } from '../../../streams/runtime/clock.ts'
import { DEFAULT_LIMITS } from '../../../streams/runtime/limits.ts'
import { levelStores, writeBufferBytesOf } from '../../../streams/runtime/store/level.ts'
import { Prefetcher } from '../../../streams/runtime/task/prefetch.ts'
import { noHooks } from '../../../streams/runtime/watch/hooks.ts'
import { Worker } from '../../../streams/runtime/worker.ts'
import { Committer } from '../../../streams/runtime/commit/committer.ts'

const text = (value: string) => ({ type: 'string', default: value }) as const
const { values } = parseArgs({
  options: {
    bytes: text('1600'),
    records: text('20000'),
    outputs: text('8'),
    compression: text('none'),
  },
})
const { bytes, records, outputs } = z
  .object({ bytes: z.coerce.number(), records: z.coerce.number(), outputs: z.coerce.number() })
  .parse(values)
const compression = z.enum(['none', 'lz4']).parse(values.compression)
const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name the brokers to measure')

const Large = z.object({ ...envelope, id: z.string(), pad: z.string() })
const name = `bench-loop-${Date.now()}`
const input = topic(`${name}-in`, Large, ({ id }) => id)
const output = topic(`${name}-out`, Large, ({ id }) => id)
const keep = defineProcessor({
  name: 'keep',
  reads: { large: input },
  emits: { out: output },
  state: { store: 'kept', schema: z.object({ at: z.number(), pad: z.string() }) },
  on: {
    large: (large, scope) => {
      scope.put({ at: scope.now, pad: large.pad })
      scope.emit('out', large)
    },
  },
})
const topology = defineTopology(name, [keep])

const log = connectKafka({ brokers: brokers.split(','), clientId: 'bench-loop', compression })
const spec = (topicName: string, partitions: number, policy = 'delete') => ({
  name: topicName,
  partitions,
  replicas: 1,
  config: { 'cleanup.policy': policy },
})
await log.admin.ensureTopics([
  spec(input.name, 1),
  spec(`${input.name}.deadletter`, 1),
  spec(output.name, outputs),
  ...changelogsOf(topology).map((one) => spec(one, 1, 'compact')),
])

const large = (n: number): string =>
  encode({
    schemaVersion: '1.0',
    eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
    occurredAt: '2026-04-18T10:23:40.000Z',
    id: `id-${n}`,
    // Half of it could be packed away, as of real records.
    pad: randomBytes(bytes).toString('hex').slice(0, bytes),
  })
const writer = log.writer()
for (let from = 0; from < records; from += 1_000)
  await writer.write(
    Array.from({ length: Math.min(1_000, records - from) }, (_, i) => ({
      topic: input.name,
      partition: 0,
      key: `id-${from + i}`,
      value: large(from + i),
      timestamp: Date.now(),
    })),
  )
await writer.close()

const stretches: number[] = []
let at = { wallMs: performance.now(), cpuUs: process.cpuUsage().user + process.cpuUsage().system }
const probe = setInterval(() => {
  const cpu = process.cpuUsage()
  const now = { wallMs: performance.now(), cpuUs: cpu.user + cpu.system }
  stretches.push(Math.min(now.wallMs - at.wallMs, (now.cpuUs - at.cpuUs) / 1_000))
  at = now
}, 1)

const directory = mkdtempSync(join(tmpdir(), 'bench-loop-'))
let done = 0
let finish = (): void => {}
const finished = new Promise<void>((resolve) => (finish = resolve))
const rounds: number[] = []
const worker = new Worker({
  app: 'bench',
  topology,
  log,
  stores: levelStores(directory, sleep, writeBufferBytesOf(1)),
  prefetcher: new Prefetcher({ lookups: {}, clock: systemClock, inFlightMax: 1, deadlineMs: 1 }),
  clock: systemClock,
  random: Math.random,
  limits: DEFAULT_LIMITS,
  committer: new Committer({
    log,
    transactionalId: 'bench-loop',
    clock: systemClock,
    limits: DEFAULT_LIMITS,
    hooks: noHooks,
  }),
  hooks: {
    ...noHooks,
    committed: (_, { read }) => {
      const count = [...read.values()].reduce((a, b) => a + b, 0)
      rounds.push(count)
      done += count
      if (done >= records) finish()
    },
  },
  onFailed: (error) => console.error(error),
})
await worker.start()
await finished
clearInterval(probe)
await worker.close()
const worst = stretches.toSorted((a, b) => b - a).slice(0, 5)
console.log(
  JSON.stringify({
    bytes,
    records,
    outputs,
    compression,
    recordsOfLargestRound: Math.max(...rounds),
    longestStretchesMs: worst.map((ms) => Number(ms.toFixed(1))),
  }),
)
await log.admin.deleteTopics([input.name, `${input.name}.deadletter`, output.name, ...changelogsOf(topology)])
await log.close()
rmSync(directory, { recursive: true, force: true })
