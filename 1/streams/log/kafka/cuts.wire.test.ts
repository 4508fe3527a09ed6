import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sleep } from '../../platform/backoff.ts'
import { silentLogger } from '../../platform/logger.ts'
import { connectKafka } from '../kafka.ts'
import { LogError, partitionKey } from '../port.ts'
import type { LogClient, TopicPartition } from '../port.ts'
import { text, until } from '../testing/scene.suite.ts'
import { KafkaAdmin } from './admin.ts'
import { Cluster } from './cluster/cluster.ts'
import { KafkaConsumer } from './consumer.ts'
import { KafkaReader } from './reader.ts'
import { cuttingProxy } from './testing/cutting-proxy.suite.ts'
import type { CuttingProxy } from './testing/cutting-proxy.suite.ts'
import { brokersFromEnv } from './testing/held-transaction.suite.ts'
import { openSocket } from './wire/open-socket.ts'
import { KafkaWriter } from './writer.ts'

const CUTS = 200

let client: LogClient
let cluster: Cluster
let proxy: CuttingProxy
let at: TopicPartition

/** Anywhere inside an answer, small ones as well as those of many segments. */
const anywhere = (): number => Math.ceil(10 ** (1 + 3.5 * Math.random()))

beforeEach(async () => {
  client = connectKafka({ brokers: brokersFromEnv(), clientId: 'cuts-wire-test' })
  const [broker = ''] = brokersFromEnv()
  proxy = await cuttingProxy(broker, anywhere)
  const connections = {
    seeds: brokersFromEnv(),
    clientId: 'cut',
    // Whatever address the broker gives of itself.
    socketFactory: () => openSocket({ host: '127.0.0.1', port: proxy.port }, undefined),
    nonce: () => 'unused',
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
  }
  cluster = new Cluster(connections, { now: Date.now, random: Math.random, sleep })
  at = { topic: `cuts-${randomUUID()}`, partition: 0 }
  const config = { 'retention.ms': '-1' }
  await client.admin.ensureTopics([{ name: at.topic, partitions: 1, replicas: 1, config }])
})

afterEach(async () => {
  await cluster.close()
  await proxy.close()
  await client.admin.deleteTopics([at.topic])
  await client.close()
})

/** The owner of a write in doubt repeats it under the same ids. */
const isOutcomeOpen = (error: unknown): boolean =>
  error instanceof LogError && (error.code === 'retriable' || error.code === 'unknown')

describe('a client whose connections are cut inside answers', () => {
  it(`fault R1: survives ${CUTS} cuts, and reads what was written, in order, without a gap`, async () => {
    const received: number[] = []
    const failures: unknown[] = []
    const consumer = new KafkaConsumer({
      cluster,
      name: 'cut',
      sessionTimeoutMs: 10_000,
      logger: silentLogger,
      group: `${at.topic}-group`,
      topics: [at.topic],
      onAssigned: (held) => {
        for (const one of held) consumer.seek(one, received.length)
        consumer.resume(held)
      },
      onRecords: (_, records) => received.push(...records.map(({ offset }) => offset)),
      onFailed: (error) => failures.push(error),
    })
    await consumer.start()
    const writer = new KafkaWriter(cluster, 'writer')
    const admin = new KafkaAdmin(cluster, 'admin')
    let written = 0
    while (proxy.cuts() < CUTS) {
      try {
        const records = Array.from({ length: 20 }, () => text(at, 'x'.repeat(2_000)))
        written = (await writer.write(records)).get(partitionKey(at)) ?? written
        const bounds = await admin.bounds([at])
        expect(bounds.get(partitionKey(at))?.end).toBeGreaterThanOrEqual(written)
      } catch (error) {
        if (!isOutcomeOpen(error)) throw error
      }
    }
    proxy.spare()
    const bounds = await admin.bounds([at])
    const end = bounds.get(partitionKey(at))?.end ?? 0
    await until('the last record', () => received.length >= end || failures.length > 0)
    expect(failures).toEqual([])
    expect(received).toEqual(Array.from({ length: end }, (_, offset) => offset))
    const reader = new KafkaReader(cluster, 'reader')
    const read = await reader.read(at, end - 1, { bytesMax: 1_000_000, waitMs: 50 })
    expect(read.records.map(({ offset }) => offset)).toEqual([end - 1])
    await consumer.stop()
  }, 180_000)
})
