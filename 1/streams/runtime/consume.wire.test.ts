import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { connectKafka } from '../log/kafka.ts'
import { sleep, type Sleep } from '../platform/backoff.ts'
import { consume } from './consume.ts'
import { CURSORS_EVERY_MS } from './consuming/paced-cursors.ts'
import { consumeSuite } from './testing/consume.suite.ts'
import { until } from './testing/counting.suite.ts'

const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name a broker: npm test starts one')

const connect = (): ReturnType<typeof connectKafka> =>
  connectKafka({ brokers: brokers.split(','), clientId: 'consume-test' })
const run = randomUUID().slice(0, 8)
let names = 0
consumeSuite('a real broker', {
  connect: async () => connect(),
  unique: (name) => `${name}-${run}-${(names += 1)}`,
})

/** The interval of the cursors never ends by itself. */
const endless: Sleep = (ms, signal) => sleep(ms === CURSORS_EVERY_MS ? 3_600_000 : ms, signal)

it('moves its cursors before the group assigns anew, so that the next owner repeats nothing', async () => {
  const [first, second] = [connect(), connect()]
  const topic = `moved-${run}`
  const group = `movers-${run}`
  await first.admin.ensureTopics([{ name: topic, partitions: 2, replicas: 1, config: {} }])
  const seen: string[] = []
  const start = (log: typeof first) =>
    consume({
      log,
      group,
      topics: [topic],
      recordsMax: 1,
      handle: async ({ records }) => void seen.push(...records.map(({ value }) => String(value))),
      sleep: endless,
      random: () => 0.5,
      onFailed: () => {},
    })
  const writer = first.writer()
  const write = (value: string) =>
    writer.write([0, 1].map((partition) => ({ topic, partition, key: 'k', value, timestamp: 1 })))
  const one = await start(first)
  for (let n = 0; n < 10; n += 1) await write('before')
  await until(() => seen.length === 20, 'twenty records')
  const two = await start(second)
  await until(() => one.standings().length === 1 && two.standings().length === 1, 'a partition each')
  await write('after')
  await until(() => seen.filter((value) => value === 'after').length === 2, 'what was written after')
  expect(seen).toHaveLength(22)
  await Promise.all([one.close(), two.close(), writer.close()])
  await first.admin.deleteTopics([topic])
  await Promise.all([first.close(), second.close()])
}, 60_000)
