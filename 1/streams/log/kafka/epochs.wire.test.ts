import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLogger } from '../../platform/logger.ts'
import { text } from '../testing/scene.suite.ts'
import { brokersFromEnv } from './testing/held-transaction.suite.ts'
import { KafkaAdmin } from './admin.ts'
import type { Cluster } from './cluster/cluster.ts'
import { Coordinator } from './cluster/coordinator.ts'
import { openCluster } from './cluster/open-cluster.ts'
import { offsetFetchRequest } from './codecs/offset-fetch-request.ts'
import { KafkaConsumer } from './consumer.ts'
import { KafkaTransactions } from './transactions.ts'
import { KafkaWriter } from './writer.ts'
import { ownCall } from './wire/own-call.ts'

const run = randomUUID().slice(0, 8)
const at = { topic: `epochs-${run}`, partition: 0 }
const group = `epochs-${run}`

let cluster: Cluster
let admin: KafkaAdmin
let consumer: KafkaConsumer
let next = 0

beforeAll(async () => {
  cluster = openCluster({ brokers: brokersFromEnv(), clientId: 'epochs-test' })
  admin = new KafkaAdmin(cluster, 'admin')
  await admin.ensureTopics([{ name: at.topic, partitions: 1, replicas: 1, config: {} }])
  consumer = new KafkaConsumer({
    cluster,
    name: 'consumer',
    group,
    topics: [at.topic],
    sessionTimeoutMs: 6_000,
    logger: silentLogger,
    onAssigned: () => {
      consumer.seek(at, 0)
      consumer.resume([at])
    },
    onRecords: (_, __, to) => {
      next = to
    },
    onFailed: () => undefined,
  })
  await consumer.start()
}, 60_000)

afterAll(async () => {
  await consumer.stop()
  await admin.deleteTopics([at.topic])
  await cluster.close()
})

/** Writes one record and waits until it was read. */
async function read(): Promise<void> {
  const before = next
  await new KafkaWriter(cluster, 'writer').write([text(at, 'one')])
  await expect.poll(() => next, { timeout: 30_000 }).toBeGreaterThan(before)
}

/** As the group keeps it. */
async function kept() {
  const call = ownCall(offsetFetchRequest(group, new Map([[at.topic, [at.partition]]]), true))
  const coordinator = new Coordinator(cluster, 'admin', 'group', group)
  const { cursors } = await coordinator.once({ name: 'OffsetFetch', call, codeOf: () => 0 })
  return cursors[0]
}

it('fault R8: a cursor says under which leader was read, with a commit and in a transaction', async () => {
  await read()
  await consumer.commit([{ ...at, next, metadata: 'plain' }])
  expect(await kept()).toMatchObject({ next, metadata: 'plain', leaderEpoch: 0 })
  await read()
  const options = { cluster, lane: 'transactions', transactionalId: group, timeoutMs: 10_000 }
  const transactions = new KafkaTransactions(options)
  await transactions.fence()
  const cursor = { ...at, next, metadata: 'in a transaction' }
  await transactions.commit({ records: [], moves: [{ group, cursors: () => [cursor] }] })
  const committed = (await admin.committed(group, [at])).get(`${at.topic}:0`)
  expect(committed).toEqual(cursor)
  expect(await kept()).toMatchObject({ next, leaderEpoch: 0 })
}, 60_000)

it('a cursor that was reached without reading says nothing of a leader', async () => {
  consumer.seek(at, next)
  consumer.pause([at])
  await consumer.commit([{ ...at, next, metadata: 'sought' }])
  expect(await kept()).toMatchObject({ metadata: 'sought', leaderEpoch: -1 })
}, 60_000)
