/**
 * How many OffsetCommit requests `consume` sends, the way bridges and sinks use it: several topics,
 * a receiver that takes some milliseconds a batch, a steady flow and then a backlog. Run: npm run
 * bench -- cursors [--rate 500] [--seconds 10]
 */
import { parseArgs } from 'node:util'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { groupLag } from '../../../streams/log/group-positions.ts'
import type { LogClient, OutRecord } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { consume } from '../../../streams/runtime/consume.ts'

const PARTITIONS = 8
const RECEIVER_MS = 3
const BACKLOG = 50_000
const TICK_MS = 20

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '500' }, seconds: { type: 'string', default: '10' } },
})
const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name the brokers to measure')

const log = connectKafka({ brokers: brokers.split(','), clientId: 'bench-cursors' })
const topics = [1, 2, 3].map((n) => `bench-cursors-${n}-${Date.now()}`)
const group = `bench-cursors-${Date.now()}`
let commits = 0
let batches = 0

/** Each commit of a consumer is one request. */
const counting: LogClient = {
  ...log,
  admin: log.admin,
  consumer: (options) => {
    const consumer = log.consumer(options)
    const commit = consumer.commit.bind(consumer)
    consumer.commit = (cursors) => {
      commits += 1
      return commit(cursors)
    }
    return consumer
  },
}

let written = 0
const some = (count: number): readonly OutRecord[] =>
  Array.from({ length: count }, () => {
    written += 1
    const topic = topics[written % topics.length] ?? ''
    const partition = Math.floor(written / topics.length) % PARTITIONS
    return { topic, partition, key: `key-${written}`, value: 'x'.repeat(300), timestamp: Date.now() }
  })

const lag = async () => [...(await groupLag(log.admin, group, topics)).values()].reduce((a, b) => a + b, 0)

async function measured(name: string, write: () => Promise<void>): Promise<void> {
  const before = { commits, batches, written, atMs: performance.now() }
  await write()
  while ((await lag()) > 0) await sleep(100)
  const records = written - before.written
  const seconds = Number(((performance.now() - before.atMs) / 1_000).toFixed(1))
  console.log(
    JSON.stringify({
      name,
      records,
      seconds,
      batches: batches - before.batches,
      offsetCommits: commits - before.commits,
    }),
  )
}

await log.admin.ensureTopics(
  topics.map((name) => ({ name, partitions: PARTITIONS, replicas: 1, config: {} })),
)
const consumption = await consume({
  log: counting,
  group,
  topics,
  handle: async () => {
    batches += 1
    await sleep(RECEIVER_MS)
  },
  recordsMax: 256,
  sleep,
  random: Math.random,
  onFailed: (error) => console.error(error),
})
const writer = log.writer()
while (!consumption.joined()) await sleep(50)
await measured('steady', async () => {
  const untilMs = performance.now() + Number(values.seconds) * 1_000
  while (performance.now() < untilMs) {
    await writer.write(some((Number(values.rate) * TICK_MS) / 1_000))
    await sleep(TICK_MS)
  }
})
await measured('backlog', async () => {
  for (let left = BACKLOG; left > 0; left -= 5_000) await writer.write(some(5_000))
})
await consumption.close()
await writer.close()
await log.admin.deleteTopics(topics)
await log.close()
