import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  expectedFactExample,
  receiptFactExample,
  submitResultExample,
} from '../../../streams/contracts/examples.ts'
import { submitResults } from '../../../streams/contracts/outbound.ts'
import { segmentFacts } from '../../../streams/contracts/receipts.ts'
import type { Topic } from '../../../streams/contracts/topic.ts'
import { encode } from '../../../streams/contracts/decode.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { OutRecord } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { systemClock } from '../../../streams/runtime/clock.ts'
import { noHooks } from '../../../streams/runtime/watch/hooks.ts'
import { Prefetcher } from '../../../streams/runtime/task/prefetch.ts'
import { provisionTopics } from '../../../streams/runtime/provision.ts'
import { levelStores } from '../../../streams/runtime/store/level.ts'
import { DEFAULT_LIMITS } from '../../../streams/runtime/limits.ts'
import { Worker } from '../../../streams/runtime/worker.ts'
import { segments } from '../../../topologies/segments/segments.ts'
import { Committer } from '../../../streams/runtime/commit/committer.ts'

/**
 * The segments topology alone on a real broker: a backlog of messages of three segments, each with
 * its expectation, three submit results and three receipts, aggregated into one outcome. One
 * process, one core.
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '40000' },
    segments: { type: 'string', default: '3' },
    partitions: { type: 'string', default: '1' },
    'commit-ms': { type: 'string', default: '100' },
  },
})
const messages = Number(values.messages)
const parts = Number(values.segments)
const partitions = Number(values.partitions)
const MESSAGES_A_WRITE = 500

const log = connectKafka({
  brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','),
  clientId: 'bench-segments',
})
const topology = segments({ rulesOf: () => ['exact'] })
await provisionTopics(log.admin, [topology], { partitions, replicas: 1 })
const records = await fill()
const directory = await mkdtemp(join(tmpdir(), 'bench-segments-'))
const done = { records: 0, commits: 0, commitMs: [] as number[], startedMs: 0, cpu: process.cpuUsage() }
const limits = { ...DEFAULT_LIMITS, commitMs: Number(values['commit-ms']) }
const worker = new Worker({
  app: 'bench',
  topology,
  log,
  stores: levelStores(directory, sleep),
  prefetcher: new Prefetcher({ lookups: {}, clock: systemClock, inFlightMax: 1, deadlineMs: 1 }),
  clock: systemClock,
  random: Math.random,
  limits,
  committer: new Committer({
    log,
    transactionalId: 'bench.segments',
    clock: systemClock,
    limits,
    hooks: noHooks,
  }),
  hooks: {
    ...noHooks,
    running: () => {
      if (done.startedMs === 0) Object.assign(done, { startedMs: performance.now(), cpu: process.cpuUsage() })
    },
    committed: (_, figures) => {
      for (const count of figures.read.values()) done.records += count
      done.commits += 1
      done.commitMs.push(figures.commitMs)
    },
    failed: (_, error) => console.error(error),
  },
  onFailed: (error) => console.error(error),
})
await worker.start()
while (done.records < records) await sleep(10)
const elapsedMs = performance.now() - done.startedMs
const cpu = process.cpuUsage(done.cpu)
await worker.close()
await log.close()
await rm(directory, { recursive: true, force: true })
done.commitMs.sort((a, b) => a - b)
console.log(
  JSON.stringify({
    name: 'segments',
    messages,
    segmentsPerMessage: parts,
    partitions,
    records,
    elapsedMs: Math.round(elapsedMs),
    recordsPerSecond: Math.round((records * 1000) / elapsedMs),
    messagesPerSecond: Math.round((messages * 1000) / elapsedMs),
    commits: done.commits,
    commitMs: { p50: at(0.5), p99: at(0.99) },
    cpuMicrosPerRecord: Math.round((cpu.user + cpu.system) / records),
    rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  }),
)

function at(share: number): number {
  return Math.round(done.commitMs[Math.floor((done.commitMs.length - 1) * share)] ?? 0)
}

/** Answers how many records there are to read. */
async function fill(): Promise<number> {
  const writer = log.writer()
  let written = 0
  for (let from = 0; from < messages; from += MESSAGES_A_WRITE) {
    const count = Math.min(MESSAGES_A_WRITE, messages - from)
    const batch = Array.from({ length: count }, (_, index) => recordsOf(from + index)).flat()
    await writer.write(batch)
    written += batch.length
  }
  await writer.close()
  return written
}

function recordsOf(index: number): OutRecord[] {
  const messageId = idOf(1, index)
  const baseMs = Date.now() - 1_000_000 + index
  const ids = { messageId, segmentCount: parts }
  const expected = { ...expectedFact(), ...ids, expectedSegments: parts }
  const list = [record(segmentFacts, expected, baseMs)]
  for (let part = 1; part <= parts; part += 1) {
    const place = { segmentIndex: part, totalSegments: parts, operatorMessageId: `op-${index}-${part}` }
    list.push(
      record(
        submitResults,
        { ...submitResultExample, ...ids, ...place, eventId: idOf(2, index, part) },
        baseMs + 1,
      ),
      record(segmentFacts, receiptOf(index, part, place), baseMs + 2),
    )
  }
  return list
}

function expectedFact() {
  if (expectedFactExample.kind !== 'EXPECTED') throw new Error('the example of an expectation is none')
  return expectedFactExample
}

function receiptOf(
  index: number,
  part: number,
  place: { segmentIndex: number; totalSegments: number; operatorMessageId: string },
) {
  if (receiptFactExample.kind !== 'RECEIPT') throw new Error('the example of a receipt is none')
  const { operatorMessageId, ...at } = place
  return {
    ...receiptFactExample,
    ...at,
    messageId: idOf(1, index),
    eventId: idOf(3, index, part),
    receipt: { ...receiptFactExample.receipt, operatorMessageId, eventId: idOf(4, index, part) },
  }
}

function record<V>(topic: Topic<V>, value: V, timestamp: number): OutRecord {
  const key = topic.key(value)
  return { topic: topic.name, partition: partitionOf(key, partitions), key, value: encode(value), timestamp }
}

function hex(n: number, digits: number): string {
  return n.toString(16).padStart(digits, '0')
}

function idOf(kind: number, n: number, part = 0): string {
  return `${hex(kind, 8)}-${hex(part, 4)}-4000-8000-${hex(n, 12)}`
}
