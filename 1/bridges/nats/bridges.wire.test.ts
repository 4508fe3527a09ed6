import { randomUUID } from 'node:crypto'
import { jetstream, type JetStreamManager } from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encode } from '../../streams/contracts/decode.ts'
import { commandExample, requestExample, statusExample } from '../../streams/contracts/examples.ts'
import { catalogue } from '../../streams/contracts/catalogue.ts'
import { connectKafka } from '../../streams/log/kafka.ts'
import { partitionOf } from '../../streams/log/partitioner.ts'
import type { LogClient, OutRecord } from '../../streams/log/port.ts'
import { BridgeChildren } from './testing/children.suite.ts'
import { prefixedLog } from './testing/prefixed-log.suite.ts'
import { OwnNats } from '../../streams/nats/testing/own-nats.suite.ts'
import {
  ensureTopics,
  eventOf,
  eventually,
  OPERATOR,
  PARTITIONS,
  provisioned,
  recordsOf,
  storedIn,
} from './testing/scene.suite.ts'

/** Processes killed with SIGKILL, between a NATS of one's own and the broker of KAFKA_BROKERS. */
const brokers = process.env['KAFKA_BROKERS']
if (brokers === undefined) throw new Error('KAFKA_BROKERS must name a broker')

const run = randomUUID().slice(0, 8)
const prefix = `bridges-${run}.`
const group = `bridges-${run}`

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
  // What a killed process held comes again after two seconds instead of ten.
  await manager.consumers.update('SMS_OUTBOUND', 'orch-consumer', { ack_wait: nanos(2_000) })
  log = prefixedLog(connectKafka({ brokers: brokers.split(','), clientId: 'bridges-test' }), prefix)
  await ensureTopics(log)
})
afterAll(async () => {
  await children.killAll()
  await log.admin.deleteTopics(catalogue({ partitions: PARTITIONS, replicas: 1 }).map(({ name }) => name))
  await log.close()
  await nc.close()
  await nats.close()
})

const status = (messageId: string, seq: number): OutRecord => ({
  topic: 'sms.events.status',
  partition: partitionOf(messageId, PARTITIONS),
  key: messageId,
  value: encode({ ...statusExample, messageId, seq, eventId: randomUUID() }),
  timestamp: Date.now(),
})

const command = (): OutRecord => ({
  topic: 'smpp.operator',
  partition: partitionOf(OPERATOR, PARTITIONS),
  key: OPERATOR,
  value: encode({ ...commandExample, messageId: randomUUID(), eventId: randomUUID() }),
  timestamp: Date.now(),
})

const MESSAGES = 400

test('PLT-1 bridges killed again and again in the middle: both sides end up with the same events', {
  timeout: 120_000,
}, async () => {
  const requests = Array.from({ length: MESSAGES }, () => randomUUID())
  const messages = Array.from({ length: MESSAGES }, () => randomUUID())
  const outbound = [1, 2, 3].flatMap((seq) => messages.map((id) => status(id, seq)))
  const commands = Array.from({ length: MESSAGES }, command)
  const writer = log.writer()
  const client = jetstream(nc)
  const rounds = 4
  for (let round = 0; round < rounds; round += 1) {
    const child = children.start()
    const part = <T>(all: readonly T[]): readonly T[] =>
      all.slice((round * all.length) / rounds, ((round + 1) * all.length) / rounds)
    for (const messageId of part(requests)) {
      const payload = encode({ ...requestExample, messageId, eventId: randomUUID() })
      await client.publish('sms.outbound.request', payload, { msgID: messageId })
    }
    await writer.write([...part(outbound), ...part(commands)])
    await eventually(async () => {
      const { state } = await manager.streams.info('SMS_EVENTS')
      expect(state.messages).toBeGreaterThan(round * 300)
    })
    if (round < rounds - 1) await children.kill(child)
  }
  const statuses = await eventually(async () => {
    const stored = await storedIn(manager, 'SMS_EVENTS')
    expect(stored).toHaveLength(outbound.length)
    return stored
  })
  expect(new Set(statuses.map(({ payload }) => payload))).toEqual(
    new Set(outbound.map(({ value }) => String(value))),
  )
  const seqs = new Map<string, string>()
  for (const { payload } of statuses) {
    const { messageId, seq } = eventOf(payload)
    seqs.set(messageId, `${seqs.get(messageId) ?? ''}${seq}`)
  }
  expect(new Set(seqs.values())).toEqual(new Set(['123']))
  const sent = await eventually(async () => {
    const stored = await storedIn(manager, 'SMPP_OUTBOUND')
    expect(stored).toHaveLength(commands.length)
    return stored
  })
  expect(new Set(sent.map(({ payload }) => payload))).toEqual(
    new Set(commands.map(({ value }) => String(value))),
  )
  await eventually(async () => {
    const mirrored = await recordsOf(log, 'sms.outbound.request')
    expect(new Set(mirrored.map(({ key }) => key?.toString()))).toEqual(new Set(requests))
  })
})
