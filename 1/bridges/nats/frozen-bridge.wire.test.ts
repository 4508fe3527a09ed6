import { randomUUID } from 'node:crypto'
import type { JetStreamManager } from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { catalogue } from '../../streams/contracts/catalogue.ts'
import { encode } from '../../streams/contracts/decode.ts'
import { commandExample } from '../../streams/contracts/examples.ts'
import { connectKafka } from '../../streams/log/kafka.ts'
import { partitionOf } from '../../streams/log/partitioner.ts'
import { partitionKey, type LogClient, type OutRecord } from '../../streams/log/port.ts'
import { OwnNats } from '../../streams/nats/testing/own-nats.suite.ts'
import { BridgeChildren } from './testing/children.suite.ts'
import { prefixedLog } from './testing/prefixed-log.suite.ts'
import {
  ensureTopics,
  eventually,
  OPERATOR,
  PARTITIONS,
  provisioned,
  storedIn,
} from './testing/scene.suite.ts'

/** Processes that are frozen and woken, between a NATS of one's own and a real broker. */
const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name a broker')

const run = randomUUID().slice(0, 8)
const prefix = `frozen-${run}.`
const group = `frozen-${run}`
const AT = { topic: 'smpp.operator', partition: partitionOf(OPERATOR, PARTITIONS) }

let nats: OwnNats
let nc: NatsConnection
let manager: JetStreamManager
let log: LogClient
let children: BridgeChildren

beforeAll(async () => {
  nats = await OwnNats.start()
  children = new BridgeChildren({ natsUrl: nats.url, brokers, prefix, group })
  const made = await provisioned(nats.url)
  nc = made.nc
  manager = made.manager
  // NATS forgets ids after a second instead of ten minutes: only the bridges keep them apart.
  await manager.streams.update('SMPP_OUTBOUND', { duplicate_window: nanos(1_000) })
  log = prefixedLog(connectKafka({ brokers: brokers.split(','), clientId: 'frozen-test' }), prefix)
  await ensureTopics(log)
})
afterAll(async () => {
  await children.killAll()
  await log.admin.deleteTopics(catalogue({ partitions: PARTITIONS, replicas: 1 }).map(({ name }) => name))
  await log.close()
  await nc.close()
  await nats.close()
})

const command = (): OutRecord => ({
  ...AT,
  key: OPERATOR,
  value: encode({ ...commandExample, messageId: randomUUID(), eventId: randomUUID() }),
  timestamp: Date.now(),
})

const stored = async (): Promise<number> => (await manager.streams.info('SMPP_OUTBOUND')).state.messages
const cursor = async (): Promise<number> =>
  (await log.admin.committed(group, [AT])).get(partitionKey(AT))?.next ?? 0
const end = async (): Promise<number> => (await log.admin.bounds([AT])).get(partitionKey(AT))?.end ?? -1
const untilTaken = (): Promise<void> => eventually(async () => expect(await cursor()).toBe(await end()))

test('[P4] fault R6b: a bridge frozen while it publishes sends nothing twice, neither itself nor the next owner', {
  timeout: 180_000,
}, async () => {
  const writer = log.writer()
  let written = 0
  const write = async (count: number): Promise<void> => {
    await writer.write(Array.from({ length: count }, command))
    written += count
  }
  for (let round = 0; round < 3; round += 1) {
    const frozen = children.start()
    await write(2_000)
    const before = await stored()
    await eventually(async () => expect(await stored()).toBeGreaterThan(before + 50))
    frozen.kill('SIGSTOP')
    const next = children.start()
    await untilTaken()
    expect(await stored()).toBe(written)
    frozen.kill('SIGCONT')
    await children.kill(next)
    await write(1)
    await untilTaken()
    expect(await stored()).toBe(written)
    await children.kill(frozen)
  }
  const payloads = (await storedIn(manager, 'SMPP_OUTBOUND')).map(({ payload }) => payload)
  expect(new Set(payloads).size).toBe(written)
  await writer.close()
})
