import { randomBytes, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../platform/logger.ts'
import { connectKafka } from '../kafka.ts'
import { partitionKey } from '../port.ts'
import type { LogClient, LogConsumer, LogError, LogRecord, TopicPartition } from '../port.ts'
import { expectLogError, text, until } from '../testing/scene.suite.ts'
import { ByteWriter } from './wire/byte-writer.ts'
import type { Cluster } from './cluster/cluster.ts'
import { fetchRequest } from './codecs/fetch-request.ts'
import type { PartitionLeader } from './codecs/metadata-request.ts'
import { KafkaConsumer } from './consumer.ts'
import { expel } from './testing/expel.suite.ts'
import { faultyCluster } from './testing/faulty-cluster.suite.ts'
import type { Faults } from './testing/faulty-cluster.suite.ts'
import { brokersFromEnv } from './testing/held-transaction.suite.ts'
import { ownCall } from './wire/own-call.ts'

let client: LogClient
let cluster: Cluster
let faults: Faults
let topic: string
let consumers: LogConsumer[]

beforeEach(() => {
  client = connectKafka({ brokers: brokersFromEnv(), clientId: 'consumer-wire-test' })
  const faulty = faultyCluster()
  cluster = faulty.cluster
  faults = faulty.faults
  topic = `consumer-${randomUUID()}`
  consumers = []
})

afterEach(async () => {
  faults.isDown = false
  await Promise.all(consumers.map((consumer) => consumer.stop()))
  await cluster.close()
  await client.admin.deleteTopics([topic])
  await client.close()
})

const create = (partitions: number) =>
  client.admin.ensureTopics([{ name: topic, partitions, replicas: 1, config: { 'retention.ms': '-1' } }])

const at = (partition: number): TopicPartition => ({ topic, partition })

async function write(values: readonly string[], partition = 0): Promise<void> {
  const writer = client.writer()
  await writer.write(values.map((value) => text(at(partition), value)))
  await writer.close()
}

/** Forgets what lies below an offset, as retention does (DeleteRecords v1). */
async function trim(below: number): Promise<void> {
  const call = ownCall({
    apiKey: 21,
    apiVersion: 1,
    apiName: 'DeleteRecords',
    encode: () => new ByteWriter().int32(1).string(topic).int32(1).int32(0).int64(below).int32(5_000),
    decode: () => ({}),
  })
  await cluster.send('trim', await cluster.leaderOf(topic, 0), call)
}

async function leadership(): Promise<PartitionLeader> {
  await cluster.leaderOf(topic, 0)
  const known = cluster.knownLeadership(topic, 0)
  if (known === undefined) throw new Error('nobody leads')
  return known
}

interface Noted {
  readonly consumer: LogConsumer
  readonly assignments: (readonly number[])[]
  readonly records: LogRecord[]
  /** Where the member was to go on, the last time. */
  readonly nexts: number[]
  readonly failures: LogError[]
  readonly stopped: [TopicPartition, LogError][]
}

interface Behaviour {
  readonly from?: (partition: number) => number
  readonly onRecords?: (records: readonly LogRecord[]) => void
}

/** A member that starts new partitions at `from` and goes on with those it keeps. */
async function member({ from = () => 0, onRecords }: Behaviour = {}): Promise<Noted> {
  const noted: Omit<Noted, 'consumer'> = {
    assignments: [],
    records: [],
    nexts: [],
    failures: [],
    stopped: [],
  }
  const consumer: LogConsumer = new KafkaConsumer({
    cluster,
    name: `member-${consumers.length}`,
    sessionTimeoutMs: 10_000,
    logger: silentLogger,
    group: `${topic}-group`,
    topics: [topic],
    onAssigned: (held) => {
      const before = noted.assignments.at(-1) ?? []
      noted.assignments.push(held.map(({ partition }) => partition))
      for (const one of held.filter(({ partition }) => !before.includes(partition))) {
        consumer.seek(one, from(one.partition))
        consumer.resume([one])
      }
    },
    onRecords: (_, records, next) => {
      noted.records.push(...records)
      noted.nexts.push(next)
      onRecords?.(records)
    },
    onStopped: (stopped, error) => noted.stopped.push([stopped, error]),
    onFailed: (error) => noted.failures.push(error),
  })
  consumers.push(consumer)
  await consumer.start()
  await until('an assignment', () => noted.assignments.length > 0)
  return { ...noted, consumer }
}

const valuesOf = ({ records }: Noted): string[] => records.map(({ value }) => String(value))

describe('a member', () => {
  it('goes on without loss or repetition when the network was away', async () => {
    await create(1)
    await write(['before'])
    const noted = await member()
    await until('what came before', () => noted.records.length === 1)
    faults.isDown = true
    await write(['meanwhile'])
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    faults.isDown = false
    await until('what came meanwhile', () => noted.records.length === 2)
    await write(['after'])
    await until('what came after', () => noted.records.length === 3)
    expect(valuesOf(noted)).toEqual(['before', 'meanwhile', 'after'])
    await noted.consumer.commit([{ ...at(0), next: 3, metadata: '' }])
    expect(noted.failures).toEqual([])
  })

  it('that was expelled hears that it holds nothing, and then holds anew', async () => {
    await create(1)
    await write(['one'])
    const noted = await member()
    await until('the record', () => noted.records.length === 1)
    await expel(cluster, `${topic}-group`)
    await until('a new start', () => noted.assignments.length === 3)
    expect(noted.assignments).toEqual([[0], [], [0]])
    await until('the record again, from where the new start was told', () => noted.records.length === 2)
  })

  it('goes on at the first retained record when retention was faster', async () => {
    await create(1)
    await write(['0', '1', '2', '3'])
    await trim(2)
    const noted = await member()
    await until('what is left', () => noted.records.length === 2)
    expect(noted.records.map(({ offset }) => offset)).toEqual([2, 3])
  })

  it('hears where it stands when retention has left nothing', async () => {
    await create(1)
    await write(['0', '1', '2'])
    await trim(3)
    const noted = await member()
    await until('the position', () => noted.nexts.length > 0)
    expect(noted.nexts).toEqual([3])
    expect(noted.records).toEqual([])
  })

  it('fault R4: stops a partition that is to go on beyond the end, loudly, and only that one', async () => {
    await create(2)
    await write(['0'])
    await write(['0'], 1)
    const noted = await member({ from: (partition) => (partition === 0 ? 7 : 0) })
    await until('the stop', () => noted.stopped.length === 1)
    expect(noted.stopped).toMatchObject([
      [at(0), { code: 'fatal', message: `${partitionKey(at(0))} ends before 7` }],
    ])
    await write(['1'], 1)
    await until('the other partition', () => noted.records.length === 2)
    expect(noted.failures).toEqual([])
    // Its owner has looked at it.
    noted.consumer.seek(at(0), 0)
    await until('the record', () => noted.records.length === 3)
    await noted.consumer.commit([{ ...at(0), next: 1, metadata: '' }])
  })

  it('fails loudly when its owner throws', async () => {
    await create(1)
    const noted = await member({
      onRecords: () => {
        throw new TypeError('a mistake')
      },
    })
    await write(['0', '1'])
    await until('the failure', () => noted.failures.length === 1)
    expect(noted.failures[0]).toMatchObject({ code: 'fatal', message: 'a mistake' })
    expect((await client.admin.groupState(`${topic}-group`)).members).toBe(0)
  })

  it('says that its topic does not exist', async () => {
    await create(1)
    const consumer = client.consumer({
      group: 'nobody',
      topics: [`${topic}-not`],
      onAssigned: () => undefined,
      onRecords: () => undefined,
      onFailed: () => undefined,
    })
    const error = await expectLogError(consumer.start(), 'fatal')
    expect(error.message).toBe(`there is no topic ${topic}-not`)
  })
})

describe('members', () => {
  it('keep what they hold through three generations, except for what a newcomer is due', async () => {
    await create(6)
    const one = await member()
    const two = await member()
    await until(
      'two shares',
      () => one.assignments.at(-1)?.length === 3 && two.assignments.at(-1)?.length === 3,
    )
    const before = [one.assignments.at(-1) ?? [], two.assignments.at(-1) ?? []]
    const three = await member()
    await until('three shares', () => [one, two, three].every((all) => all.assignments.at(-1)?.length === 2))
    for (const [i, kept] of [one, two].entries()) {
      expect(before[i]).toEqual(expect.arrayContaining([...(kept.assignments.at(-1) ?? [])]))
    }
    const held = three.assignments.at(-1) ?? []
    await three.consumer.stop()
    await until(
      'two shares again',
      () => one.assignments.at(-1)?.length === 3 && two.assignments.at(-1)?.length === 3,
    )
    expect([...(one.assignments.at(-1) ?? []), ...(two.assignments.at(-1) ?? [])]).toEqual(
      expect.arrayContaining([...held]),
    )
    await write(['x'], held[0] ?? 0)
    await until('the record', () => one.records.length + two.records.length === 1)
  })
})

describe('a reader', () => {
  it('starts at the first retained record, and refuses to start beyond the end', async () => {
    await create(1)
    await write(['0', '1', '2', '3'])
    await trim(3)
    const reader = client.reader()
    const limits = { bytesMax: 1_000_000, waitMs: 50 }
    const read = await reader.read(at(0), 0, limits)
    expect(read).toMatchObject({ records: [{ offset: 3 }], next: 4, end: 4 })
    await expectLogError(reader.read(at(0), 5, limits), 'fatal')
    expect(await client.admin.bounds([at(0)])).toEqual(
      new Map([[partitionKey(at(0)), expect.objectContaining({ start: 3, end: 4 })]]),
    )
    await reader.close()
  })
})

describe('bounds', () => {
  it('fault R2: tell by another id that a topic was deleted and made again', async () => {
    await create(1)
    const idOf = async () => (await client.admin.bounds([at(0)])).get(partitionKey(at(0)))?.topicId
    const before = await idOf()
    expect(before).toMatch(/^[0-9a-f-]{36}$/)
    expect(await idOf()).toBe(before)
    await client.admin.deleteTopics([topic])
    await until('the deletion', async () => (await client.admin.partitions([topic])).size === 0)
    await create(1)
    expect(await idOf()).not.toBe(before)
  })
})

describe('packed batches', () => {
  it.each(['gzip', 'snappy', 'lz4', 'zstd'])(
    'fault R4: are read when the broker packs with %s',
    async (codec) => {
      const config = { 'retention.ms': '-1', 'compression.type': codec }
      await client.admin.ensureTopics([{ name: topic, partitions: 1, replicas: 1, config }])
      // Some that repeat, some that do not, and one that is larger than a packer's block.
      const values = ['', 'x'.repeat(100_000), randomBytes(70_000).toString('hex'), 'y', 'abc'.repeat(40_000)]
      await write(values)
      await write(values.toReversed())
      const noted = await member()
      await until('the records', () => noted.records.length === 2 * values.length)
      expect(valuesOf(noted)).toEqual([...values, ...values.toReversed()])
    },
  )

  it('fault R4: are taken by the broker as the writer has packed them', async () => {
    await create(1)
    const values = Array.from({ length: 50 }, (_, i) => `${i} ${'x'.repeat(1_000)}`)
    const packing = connectKafka({ brokers: brokersFromEnv(), clientId: 'packing', compression: 'lz4' })
    const writer = packing.writer()
    await writer.write(values.map((value) => text(at(0), value)))
    await writer.close()
    await packing.close()
    const limits = { waitMs: 100, bytesMax: 1_000_000, partitionBytesMax: 1_000_000 }
    const { leader, leaderEpoch } = await leadership()
    const fetch = ownCall(fetchRequest([{ ...at(0), offset: 0, leaderEpoch }], limits))
    const { parts } = await cluster.send('raw', leader, fetch)
    expect(parts[0]?.bytes.length).toBeLessThan(5_000)
    const noted = await member()
    await until('the records', () => noted.records.length === values.length)
    expect(valuesOf(noted)).toEqual(values)
  })
})

describe('a member that cannot reach its coordinator', () => {
  it('fault R12: gives its partitions up when its session must have ended, and joins again', async () => {
    await create(2)
    const { assignments, failures } = await member()
    await until('it holds both', () => assignments.at(-1)?.length === 2)
    faults.isDown = true
    await until('it holds nothing', () => assignments.at(-1)?.length === 0)
    faults.isDown = false
    await until('it holds both again', () => assignments.at(-1)?.length === 2)
    expect(failures).toEqual([])
  }, 90_000)
})
