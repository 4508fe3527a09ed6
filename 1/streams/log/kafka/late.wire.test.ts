import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectKafka } from '../kafka.ts'
import { partitionKey } from '../port.ts'
import type { LogClient, OutRecord, TopicPartition } from '../port.ts'
import { expectLogError, until } from '../testing/scene.suite.ts'
import type { Cluster } from './cluster/cluster.ts'
import { openCluster } from './cluster/open-cluster.ts'
import { brokersFromEnv } from './testing/held-transaction.suite.ts'
import { lateRequests } from './testing/late-requests.suite.ts'
import type { LateRequests } from './testing/late-requests.suite.ts'
import { KafkaTransactions } from './transactions.ts'
import { KafkaWriter } from './writer.ts'

const TIMESTAMP = 1_700_000_000_000
const API = { Produce: 0, AddPartitionsToTxn: 24, AddOffsetsToTxn: 25, EndTxn: 26, TxnOffsetCommit: 28 }

/** Which requests a transaction makes: protocol 2 has no request of its own for what takes part. */
const REQUESTS: readonly (readonly [1 | 2, keyof typeof API])[] = [
  [1, 'AddPartitionsToTxn'],
  [1, 'AddOffsetsToTxn'],
  [1, 'Produce'],
  [1, 'TxnOffsetCommit'],
  [1, 'EndTxn'],
  [2, 'Produce'],
  [2, 'TxnOffsetCommit'],
  [2, 'EndTxn'],
]

/** Before which step of the next transaction it arrives. */
const ARRIVALS = ['Produce', 'TxnOffsetCommit', 'EndTxn'] as const

const CASES = REQUESTS.flatMap(([protocol, held]) => ARRIVALS.map((arrival) => ({ protocol, held, arrival })))

let client: LogClient
let cluster: Cluster
let late: LateRequests
let at: TopicPartition
let group: string

beforeEach(async () => {
  client = connectKafka({ brokers: brokersFromEnv(), clientId: 'late-wire-test' })
  cluster = openCluster({ brokers: brokersFromEnv(), clientId: 'late' })
  late = lateRequests(cluster)
  at = { topic: `late-${randomUUID()}`, partition: 0 }
  group = `${at.topic}-group`
  const config = { 'retention.ms': '-1' }
  await client.admin.ensureTopics([{ name: at.topic, partitions: 2, replicas: 1, config }])
})

afterEach(async () => {
  await cluster.close()
  await client.admin.deleteTopics([at.topic])
  await client.close()
})

const text = (value: string, to = at): OutRecord => ({ ...to, key: 'k', value, timestamp: TIMESTAMP })

async function values(): Promise<string[]> {
  const reader = client.reader()
  const found: string[] = []
  const end = (await client.admin.bounds([at])).get(partitionKey(at))?.end ?? 0
  for (let next = 0; next < end; ) {
    const read = await reader.read(at, next, { bytesMax: 1_000_000, waitMs: 50 })
    found.push(...read.records.map(({ value }) => String(value)))
    next = read.next
  }
  await reader.close()
  return found
}

/** A commit is answered before its marker lets readers see it. */
async function valuesOnce(count: number): Promise<string[]> {
  await until(`${count} values to be seen`, async () => (await values()).length >= count)
  return values()
}

async function cursor(): Promise<number | undefined> {
  return (await client.admin.committed(group, [at])).get(partitionKey(at))?.next
}

async function fenced(protocolMax: 1 | 2, timeoutMs = 10_000): Promise<KafkaTransactions> {
  const options = { cluster: late.brokers, lane: 'late', transactionalId: `${at.topic}-writer` }
  const transactions = new KafkaTransactions({ ...options, timeoutMs, protocolMax })
  await transactions.fence()
  return transactions
}

const batch = (value: string, next: number) => ({
  records: [text(value)],
  moves: [{ group, cursors: () => [{ ...at, next, metadata: value }] }],
})

describe('fault R5: a request that arrives in the middle of the next transaction', () => {
  it.each(CASES)('[F6] changes nothing in it: $held, before $arrival, protocol $protocol', async (given) => {
    const transactions = await fenced(given.protocol)
    late.hold(API[given.held])
    await transactions.commit(batch('first', 1))
    let seen: string[] = []
    late.arriveBefore(API[given.arrival], () =>
      until('the first to be seen', async () => {
        seen = await values()
        return seen.length > 0
      }),
    )
    await transactions.commit(batch('second', 2))
    // Whatever the second had done by then was undecided, and nothing late may have decided it.
    expect(seen).toEqual(['first'])
    expect(await cursor()).toBe(2)
    expect(await valuesOnce(2)).toEqual(['first', 'second'])
    await transactions.commit(batch('third', 3))
    expect(await cursor()).toBe(3)
    expect(await valuesOnce(3)).toEqual(['first', 'second', 'third'])
  })

  const givenUp = ([1, 2] as const).flatMap((protocol) => ARRIVALS.map((arrival) => ({ protocol, arrival })))
  it.each(givenUp)(
    '[F6] brings back no records that were given up, before $arrival, protocol $protocol',
    async ({ protocol, arrival }) => {
      const transactions = await fenced(protocol, 1_500)
      late.hold(API.Produce, 1_000)
      await expectLogError(transactions.commit(batch('given up', 1)), 'retriable')
      late.hold(API.Produce, 0)
      late.arriveBefore(API[arrival])
      await transactions.commit(batch('again', 1))
      await transactions.commit(batch('next', 2))
      expect(await valuesOnce(2)).toEqual(['again', 'next'])
      expect(await cursor()).toBe(2)
    },
  )
})

describe('a writer', () => {
  it('fault R5: lets a batch that it gave up on not arrive after its repetition', async () => {
    const writer = new KafkaWriter(late.brokers, 'late')
    await writer.write([text('before')])
    late.hold(API.Produce, 1_000)
    const failing = writer.write([text('mark 1')])
    await until('a lost answer', () => late.held() > 0)
    late.putAhead(60_000)
    await expectLogError(failing, 'unknown')
    late.hold(API.Produce, 0)
    await writer.write([text('mark 1')])
    await writer.write([text('mark 2')])
    await late.arrive()
    await writer.write([text('after')])
    expect(await values()).toEqual(['before', 'mark 1', 'mark 2', 'after'])
  })
})
