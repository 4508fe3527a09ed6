/**
 * What the log costs: encoding and decoding against kafkajs's own codecs in one run, and
 * transactions against the broker that KAFKA_BROKERS names. Commits are compared with and without
 * protocol 2 of transactions, in one run and by turns. Run: node --import tsx
 * dev/proofs/bench/log.ts [codec | commits | latency | tasks]
 */
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { connectKafka } from '../../../streams/log/kafka.ts'
import type { Brokers } from '../../../streams/log/kafka/cluster/cluster.ts'
import { openCluster } from '../../../streams/log/kafka/cluster/open-cluster.ts'
import { KafkaTransactions } from '../../../streams/log/kafka/transactions.ts'
import { planRounds } from '../../../streams/log/kafka/writing/batches.ts'
import { produceRequest } from '../../../streams/log/kafka/codecs/produce-request.ts'
import { decodeRecords } from '../../../streams/log/kafka/codecs/record-batch-decoder.ts'
import { putRecordBatch } from '../../../streams/log/kafka/codecs/record-batch-encoder.ts'
import type { LogClient, LogTransactions, OutRecord } from '../../../streams/log/port.ts'

const load: (path: string) => unknown = createRequire(import.meta.url)

/** kafkajs's own codecs, by their paths. */
interface Kafkajs {
  readonly encode: (request: object) => { encode(): Promise<object> }
  readonly decode: (decoder: object) => Promise<object>
  readonly Decoder: new (bytes: Buffer) => object
}

function isKafkajs(value: object): value is Kafkajs {
  return Object.values(value).every((member) => typeof member === 'function')
}

function kafkajs(): Kafkajs {
  const codecs: object = {
    encode: load('kafkajs/src/protocol/requests/produce/v7/request'),
    decode: load('kafkajs/src/protocol/recordBatch/v0/decoder'),
    Decoder: load('kafkajs/src/protocol/decoder'),
  }
  if (!isKafkajs(codecs)) throw new TypeError('this kafkajs has its codecs somewhere else')
  return codecs
}

const TIMESTAMP = 1_700_000_000_000
const IDENTITY = { transactionalId: 'bench', producerId: 7n, epoch: 1 }

function records(count: number, bytes: number, topic = 'bench', partitions = 1): OutRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    topic,
    partition: i % partitions,
    key: `0190f1e2-${i.toString().padStart(8, '0')}`,
    value: JSON.stringify({ id: i, text: 'x'.repeat(Math.max(0, bytes - 24)) }).slice(0, bytes),
    timestamp: TIMESTAMP + i,
  }))
}

/** Thousands a second, of the best of five runs: the machine is shared. */
async function rate(items: number, work: () => unknown, rounds: number): Promise<number> {
  let best = 0
  for (let run = 0; run < 5; run += 1) {
    const start = performance.now()
    for (let round = 0; round < rounds; round += 1) await work()
    best = Math.max(best, (items * rounds) / (performance.now() - start))
  }
  return best
}

async function codec(): Promise<void> {
  const theirs = kafkajs()
  console.log('| record | encode | kafkajs | ratio | decode | kafkajs | ratio |')
  for (const bytes of [200, 1000]) {
    const batch = records(3000, bytes)
    const messages = batch.map(({ key, value, timestamp }) => ({ key, value, timestamp, headers: {} }))
    const topicData = [{ topic: 'bench', partitions: [{ partition: 0, firstSequence: 0, messages }] }]
    const request = {
      acks: -1,
      timeout: 1,
      transactionalId: 'bench',
      producerId: '7',
      producerEpoch: 1,
      topicData,
    }
    const encoded = encodeOnce(batch)
    const at = { topic: 'bench', partition: 0 }
    const encode = await rate(batch.length, () => encodeAll(batch), 30)
    const encodeKafkajs = await rate(batch.length, () => theirs.encode(request).encode(), 5)
    const decode = await rate(encoded.count, () => decodeRecords(at, encoded.bytes, 0, []), 50)
    const decodeKafkajs = await rate(encoded.count, () => theirs.decode(new theirs.Decoder(encoded.bytes)), 5)
    const columns = [`${bytes} B`, k(encode), k(encodeKafkajs), x(encode / encodeKafkajs)]
    console.log(`| ${[...columns, k(decode), k(decodeKafkajs), x(decode / decodeKafkajs)].join(' | ')} |`)
  }
}

const k = (thousands: number): string => `${thousands.toFixed(0)} k/s`
const x = (ratio: number): string => `${ratio.toFixed(1)} x`

async function encodeAll(batch: readonly OutRecord[]): Promise<void> {
  for (const round of planRounds(batch)) await produceRequest(round, IDENTITY, [0]).encode()
}

function encodeOnce(all: readonly OutRecord[]): { bytes: Buffer; count: number } {
  const [batch] = planRounds(all)[0] ?? []
  if (batch === undefined) throw new Error('nothing to encode')
  const out = Buffer.alloc(batch.bytesMax)
  const end = putRecordBatch(out, 0, batch, { ...IDENTITY, firstSequence: 0, isTransactional: true })
  return { bytes: out.subarray(0, end), count: batch.records.length }
}

interface Bench {
  readonly client: LogClient
  readonly topic: string
}

const PARTITIONS = 4

function brokersOf(environment: NodeJS.ProcessEnv): readonly string[] {
  const brokers = environment['KAFKA_BROKERS']
  if (brokers === undefined) throw new Error('KAFKA_BROKERS must name the brokers to measure')
  return brokers.split(',')
}

async function withBroker(work: (bench: Bench) => Promise<void>): Promise<void> {
  const client = connectKafka({ brokers: brokersOf(process.env), clientId: 'bench' })
  const topic = `bench-${Date.now()}`
  await client.admin.ensureTopics([{ name: topic, partitions: PARTITIONS, replicas: 1, config: {} }])
  try {
    await work({ client, topic })
  } finally {
    await client.admin.deleteTopics([topic])
    await client.close()
  }
}

async function fenced({ client, topic }: Bench, name: string): Promise<LogTransactions> {
  const transactions = client.transactions({ transactionalId: `${topic}-${name}`, timeoutMs: 10_000 })
  await transactions.fence()
  return transactions
}

/** A cluster that counts what is sent to it. */
interface Counting {
  readonly brokers: Brokers
  readonly requests: () => number
  readonly close: () => Promise<void>
}

function counting(): Counting {
  const cluster = openCluster({ brokers: brokersOf(process.env), clientId: 'bench-counting' })
  let sent = 0
  const brokers: Brokers = {
    clock: cluster.clock,
    compression: cluster.compression,
    held: cluster.held,
    send: (lane, nodeId, call) => {
      sent += 1
      return cluster.send(lane, nodeId, call)
    },
    sendAny: (call) => cluster.sendAny(call),
    knownLeader: (topic, partition) => cluster.knownLeader(topic, partition),
    leaderOf: (topic, partition) => cluster.leaderOf(topic, partition),
    forgetTopic: (topic) => cluster.forgetTopic(topic),
    coordinatorOf: (kind, key) => cluster.coordinatorOf(kind, key),
    forgetCoordinator: (kind, key) => cluster.forgetCoordinator(kind, key),
  }
  return { brokers, requests: () => sent, close: () => cluster.close() }
}

/** One writer of each protocol. */
async function inBothProtocols({ topic }: Bench, { brokers }: Counting, name: string) {
  const make = async (protocolMax: 1 | 2) => {
    const transactionalId = `${topic}-${name}-${protocolMax}`
    const options = { cluster: brokers, lane: `bench-${protocolMax}`, transactionalId, timeoutMs: 10_000 }
    const transactions = new KafkaTransactions({ ...options, protocolMax })
    await transactions.fence()
    return { protocol: protocolMax, transactions }
  }
  return [await make(1), await make(2)]
}

/** Commits one after the other, as one task does when it has more to do than it gets done. */
async function commits(bench: Bench): Promise<void> {
  const counter = counting()
  const writers = await inBothProtocols(bench, counter, 'commits')
  for (const size of [1000, 2000, 5000]) {
    const batch = records(size, 300, bench.topic, PARTITIONS)
    const commit = (transactions: KafkaTransactions) => () =>
      transactions.commit({
        records: batch,
        moves: [
          {
            group: bench.topic,
            cursors: () => [{ topic: bench.topic, partition: 0, next: 1, metadata: '' }],
          },
        ],
      })
    const best = new Map<number, number>()
    for (let turn = 0; turn < 4; turn += 1) {
      for (const { protocol, transactions } of turn % 2 === 0 ? writers : writers.toReversed()) {
        const perSecond = await rate(size, commit(transactions), Math.ceil(8_000 / size))
        best.set(protocol, Math.max(best.get(protocol) ?? 0, perSecond))
      }
    }
    for (const [protocol, perSecond] of best)
      console.log(`commits of ${size} records of 300 B, protocol ${protocol}: ${k(perSecond)}`)
  }
  await counter.close()
}

/** By turns, so that what else the machine does meets both. */
async function latency(bench: Bench): Promise<void> {
  const counter = counting()
  const writers = await inBothProtocols(bench, counter, 'latency')
  for (const pauseMs of [0, 100]) {
    const runs = writers.map((writer) => ({ ...writer, times: [] as number[], requests: 0 }))
    for (let i = 0; i < (pauseMs === 0 ? 500 : 100); i += 1) {
      for (const run of runs) {
        const before = counter.requests()
        run.times.push(await commitOne(bench, run.transactions, 0))
        run.requests += counter.requests() - before
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    }
    for (const { protocol, times, requests } of runs) {
      const each = (requests / times.length).toFixed(2)
      const what = `one record and one cursor, ${pauseMs} ms between commits, protocol ${protocol}`
      console.log(`${what}: ${percentiles(times.slice(20))}, ${each} requests each`)
    }
  }
  await counter.close()
}

/** Sixteen tasks of one process, each committing every 100 ms. */
async function tasks(bench: Bench): Promise<void> {
  const all = await Promise.all(Array.from({ length: 16 }, (_, i) => fenced(bench, `task-${i}`)))
  const times: number[] = []
  const until = performance.now() + 8_000
  const run = async (transactions: LogTransactions, i: number) => {
    while (performance.now() < until) {
      const tookMs = await commitOne(bench, transactions, i % PARTITIONS)
      times.push(tookMs)
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 100 - tookMs)))
    }
  }
  await Promise.all(all.map(run))
  console.log(`16 tasks, a commit each every 100 ms: ${percentiles(times.slice(64))}`)
}

async function commitOne(
  { topic }: Bench,
  transactions: LogTransactions,
  partition: number,
): Promise<number> {
  const start = performance.now()
  await transactions.commit({
    records: [{ topic, partition, key: 'k', value: 'v', timestamp: TIMESTAMP }],
    moves: [{ group: topic, cursors: () => [{ topic, partition, next: 1, metadata: '' }] }],
  })
  return performance.now() - start
}

function percentiles(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]?.toFixed(1) ?? '-'
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ${sorted.length} commits`
}

const [only] = process.argv.slice(2)
if (only === undefined || only === 'codec') await codec()
if (only === undefined || only === 'commits') await withBroker(commits)
if (only === undefined || only === 'latency') await withBroker(latency)
if (only === undefined || only === 'tasks') await withBroker(tasks)
