import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectKafka } from '../kafka.ts'
import { partitionKey } from '../port.ts'
import type { LogClient, OutRecord, TopicPartition } from '../port.ts'
import { expectLogError } from '../testing/scene.suite.ts'
import { planRounds } from './writing/batches.ts'
import type { Cluster } from './cluster/cluster.ts'
import { API, faultyCluster } from './testing/faulty-cluster.suite.ts'
import type { Faults } from './testing/faulty-cluster.suite.ts'
import { brokersFromEnv } from './testing/held-transaction.suite.ts'
import { nextSequence } from './writing/producer.ts'
import { initProducerId } from './codecs/producer-id-request.ts'
import { sendRound } from './writing/send-round.ts'
import { KafkaTransactions } from './transactions.ts'
import { KafkaWriter } from './writer.ts'

const TIMESTAMP = 1_700_000_000_000

let client: LogClient
let cluster: Cluster
let faults: Faults
let at: TopicPartition

beforeEach(async () => {
  client = connectKafka({ brokers: brokersFromEnv(), clientId: 'faults-wire-test' })
  const faulty = faultyCluster()
  cluster = faulty.cluster
  faults = faulty.faults
  at = { topic: `faults-${randomUUID()}`, partition: 0 }
  const config = { 'retention.ms': '-1' }
  await client.admin.ensureTopics([{ name: at.topic, partitions: 2, replicas: 1, config }])
})

afterEach(async () => {
  faults.isDown = false
  faults.answersLost.clear()
  await cluster.close()
  await client.admin.deleteTopics([at.topic])
  await client.close()
})

const text = (value: string, to = at): OutRecord => ({ ...to, key: 'k', value, timestamp: TIMESTAMP })

async function valuesAt(partition: TopicPartition): Promise<string[]> {
  const reader = client.reader()
  const values: string[] = []
  for (let next = 0, end = 1; next < end; ) {
    const read = await reader.read(partition, next, { bytesMax: 1_000_000, waitMs: 50 })
    values.push(...read.records.map(({ value }) => String(value)))
    next = read.next
    end = (await client.admin.bounds([partition])).get(partitionKey(partition))?.end ?? 0
  }
  await reader.close()
  return values
}

async function cursor(group: string): Promise<number | undefined> {
  return (await client.admin.committed(group, [at])).get(partitionKey(at))?.next
}

async function fenced(timeoutMs = 10_000, protocolMax: 1 | 2 = 2): Promise<KafkaTransactions> {
  const options = { cluster, lane: 'faulty', transactionalId: `${at.topic}-writer`, timeoutMs }
  const transactions = new KafkaTransactions({ ...options, protocolMax })
  await transactions.fence()
  return transactions
}

const batch = (value: string, next: number) => ({
  records: [text(value)],
  moves: [{ group: `${at.topic}-group`, cursors: () => [{ ...at, next, metadata: value }] }],
})

const changesItsMind = () => {
  throw new Error('to be undone')
}

describe('a commit', () => {
  const { addPartitions: _, ...inProtocol2 } = API
  it.each([
    ...Object.entries(API).map(([name, apiKey]): [string, 1 | 2, number] => [name, 1, apiKey]),
    ...Object.entries(inProtocol2).map(([name, apiKey]): [string, 1 | 2, number] => [name, 2, apiKey]),
  ])('survives that the answer to its %s is lost, protocol %i', async (_, protocol, apiKey) => {
    const transactions = await fenced(10_000, protocol)
    faults.answersLost.set(apiKey, 1)
    await transactions.commit(batch('once', 1))
    await transactions.commit(batch('next', 2))
    // One for each commit, and the repetition.
    expect(faults.sent.get(apiKey)).toBeGreaterThanOrEqual(3)
    expect(await valuesAt(at)).toEqual(['once', 'next'])
    expect(await cursor(`${at.topic}-group`)).toBe(2)
  })

  it('is of unknown outcome when no answer to its end comes, and is settled by the next fence', async () => {
    const transactions = await fenced(1_500)
    faults.answersLost.set(API.endTxn, 1_000)
    await expectLogError(transactions.commit(batch('perhaps', 1)), 'unknown')
    await expectLogError(transactions.commit(batch('not before a fence', 2)), 'fatal')
    faults.answersLost.clear()
    await transactions.fence()
    // It did happen: only the answers were lost.
    expect(await cursor(`${at.topic}-group`)).toBe(1)
    await transactions.commit(batch('next', 2))
    expect(await valuesAt(at)).toEqual(['perhaps', 'next'])
  })

  it('is of unknown outcome when the brokers go away before its end, and then it did not happen', async () => {
    const transactions = await fenced(1_500)
    const group = `${at.topic}-group`
    const goesDown = () => {
      faults.isDown = true
      return [{ ...at, next: 1, metadata: '' }]
    }
    const failing = transactions.commit({
      ...batch('lost', 1),
      moves: [{ group, cursors: goesDown }],
    })
    await expectLogError(failing, 'unknown')
    faults.isDown = false
    await transactions.fence()
    expect(await cursor(`${at.topic}-group`)).toBeUndefined()
    await transactions.commit(batch('next', 2))
    expect(await valuesAt(at)).toEqual(['next'])
  }, 60_000)

  it('goes on in a new epoch when the answers to its records never came', async () => {
    const transactions = await fenced(1_500)
    faults.answersLost.set(API.produce, 1_000)
    await expectLogError(transactions.commit(batch('lost', 1)), 'retriable')
    faults.answersLost.clear()
    await transactions.commit(batch('again', 1))
    await transactions.commit(batch('next', 2))
    expect(await valuesAt(at)).toEqual(['again', 'next'])
    expect(await cursor(`${at.topic}-group`)).toBe(2)
  })

  it('does not take back an id that was taken over while it had trouble', async () => {
    const zombie = await fenced(1_500)
    const owner = client.transactions({ transactionalId: `${at.topic}-writer`, timeoutMs: 10_000 })
    const failing = zombie.commit({
      ...batch('zombie', 1),
      moves: [{ group: `${at.topic}-group`, cursors: changesItsMind }],
    })
    await expect(failing).rejects.toThrow('to be undone')
    await owner.fence()
    faults.answersLost.set(API.produce, 1_000)
    await expectLogError(zombie.commit(batch('zombie', 1)), 'fenced')
    await owner.commit(batch('owner', 2))
    expect(await valuesAt(at)).toEqual(['owner'])
  })

  it('carries more than fits into one batch, in order', async () => {
    const transactions = await fenced()
    const values = Array.from({ length: 3_000 }, (_, i) => `${i}-${'x'.repeat(1_000)}`)
    const records = values.map((value) => text(value))
    const written = await transactions.commit({ records, moves: [] })
    expect(written.get(partitionKey(at))).toBe(3_000)
    expect(await valuesAt(at)).toEqual(values)
  })

  it('names a record that no broker takes, and leaves nothing of its batch', async () => {
    const transactions = await fenced()
    const records = [text('small', { ...at, partition: 1 }), text('x'.repeat(2_000_000))]
    const error = await expectLogError(transactions.commit({ records, moves: [] }), 'fatal')
    expect(error.message).toContain('MESSAGE_TOO_LARGE')
    expect(error.message).toContain(partitionKey(at))
    await transactions.commit({ records: [text('next')], moves: [] })
    expect(await valuesAt(at)).toEqual(['next'])
    expect(await valuesAt({ ...at, partition: 1 })).toEqual([])
  })

  it('names a topic that does not exist', async () => {
    const transactions = await fenced(6_000)
    const nowhere = { topic: `${at.topic}-not`, partition: 0 }
    const failing = transactions.commit({ records: [text('x', nowhere)], moves: [] })
    const error = await expectLogError(failing, 'fatal')
    expect(error.message).toBe(`there is no topic ${nowhere.topic}`)
  })
})

describe('sequences', () => {
  it('wrap where the broker expects them to', async () => {
    // A broker may name itself as a leader a moment before it is one.
    await client.admin.bounds([at])
    const { producerId, epoch } = await cluster.sendAny(
      initProducerId({ transactionalId: null, timeoutMs: 60_000 }),
    )
    const identity = { transactionalId: null, producerId, epoch }
    const records = Array.from({ length: 1_000 }, (_, i) => text(`${i}`))
    const [first] = planRounds(records)[0] ?? []
    if (first === undefined) throw new Error('nothing to send')
    const key = partitionKey(at)
    // Until it has taken one record, the leader may not know that it is one.
    await client.writer().write([text('the leader is there')])
    let firstSequence = 2_147_483_000
    for (const offset of [1, 1_001, 2_001]) {
      const { offsets, errors } = await sendRound(cluster, 'faulty', identity, [
        { batch: first, key, firstSequence },
      ])
      expect([...errors.values()]).toEqual([])
      expect([...offsets.values()]).toEqual([offset])
      firstSequence = nextSequence(firstSequence, records.length)
    }
    expect(firstSequence).toBe(2_352)
  })
})

describe('a writer', () => {
  it('writes once although the answer is lost', async () => {
    const writer = new KafkaWriter(cluster, 'faulty')
    await writer.write([text('first')])
    faults.answersLost.set(API.produce, 2)
    await writer.write([text('second')])
    await writer.write([text('third')])
    expect(await valuesAt(at)).toEqual(['first', 'second', 'third'])
  })

  it('keeps the order of calls that it was not waited for, and tells each where its records ended', async () => {
    const writer = new KafkaWriter(cluster, 'faulty')
    const values = Array.from({ length: 200 }, (_, i) => `${i}`)
    const written = await Promise.all(values.map((value) => writer.write([text(value)])))
    expect(written.map((one) => one.get(partitionKey(at)))).toEqual(values.map((_, i) => i + 1))
    expect(await valuesAt(at)).toEqual(values)
  })

  it('lets one call fail without the others that went with it', async () => {
    const writer = new KafkaWriter(cluster, 'faulty')
    const nowhere = { topic: at.topic, partition: 99 }
    const outcomes = await Promise.allSettled([
      writer.write([text('a')]),
      writer.write([text('x', nowhere)]),
      writer.write([text('b')]),
      writer.write([text('y'.repeat(2_000_000))]),
      writer.write([text('c')]),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(await valuesAt(at)).toEqual(['a', 'b', 'c'])
  })

  it('finishes what it was given before it closes, and takes nothing after', async () => {
    const writer = new KafkaWriter(cluster, 'faulty')
    const writing = writer.write([text('last')])
    await writer.close()
    await writing
    await expectLogError(writer.write([text('late')]), 'fatal')
    expect(await valuesAt(at)).toEqual(['last'])
  })
})
