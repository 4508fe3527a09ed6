/**
 * Messages a second through the bridges, each direction by itself, from a backlog: between a NATS
 * of its own and the broker that KAFKA_BROKERS names. Run: node --import tsx
 * dev/proofs/bench/bridges.ts [messages, default 20000]
 */
import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { jetstream, type JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { prefixedLog } from '../../../bridges/nats/testing/prefixed-log.suite.ts'
import { OwnNats } from '../../../streams/nats/testing/own-nats.suite.ts'
import {
  bridgesBetween,
  ensureTopics,
  OPERATOR,
  PARTITIONS,
  provisioned,
} from '../../../bridges/nats/testing/scene.suite.ts'
import { catalogue } from '../../../streams/contracts/catalogue.ts'
import { encode } from '../../../streams/contracts/decode.ts'
import {
  commandExample,
  inboundReceiptExample,
  requestExample,
  statusExample,
} from '../../../streams/contracts/examples.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { LogClient, OutRecord } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'

const MESSAGES_MAX = 100_000
const IN_FLIGHT = 500
const POLL_MS = 20

const messages = Math.min(MESSAGES_MAX, Number(process.argv[2] ?? 20_000))
const run = `bench-${randomUUID().slice(0, 8)}`

async function publishAll(nc: NatsConnection, subject: string, payloads: readonly string[]): Promise<void> {
  const client = jetstream(nc)
  for (let at = 0; at < payloads.length; at += IN_FLIGHT)
    await Promise.all(payloads.slice(at, at + IN_FLIGHT).map((payload) => client.publish(subject, payload)))
}

async function ends(log: LogClient, topic: string): Promise<number> {
  const at = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
  const bounds = await log.admin.bounds(at)
  return [...bounds.values()].reduce((sum, { end }) => sum + end, 0)
}

/**
 * A second from the first that arrives to the last, so that joining the group and connecting do not
 * count.
 */
async function rate(count: () => Promise<number>, target: number): Promise<number> {
  let first = 0
  let startedAt = 0
  for (;;) {
    const now = await count()
    if (first === 0 && now > 0) {
      first = now
      startedAt = performance.now()
    }
    if (now >= target) return Math.round(((now - first) * 1_000) / (performance.now() - startedAt))
    await sleep(POLL_MS)
  }
}

const request = (): string => encode({ ...requestExample, messageId: randomUUID(), eventId: randomUUID() })
const receipt = (): string =>
  encode({ ...inboundReceiptExample, operatorMessageId: randomUUID(), eventId: randomUUID() })

const keyed = (topic: string, key: string, value: object): OutRecord => ({
  topic,
  partition: partitionOf(key, PARTITIONS),
  key,
  value: encode(value),
  timestamp: Date.now(),
})

const FOUR = [1, 2, 3, 4]
const statuses = (): readonly OutRecord[] =>
  Array.from({ length: messages / FOUR.length }, () => randomUUID()).flatMap((messageId) =>
    FOUR.map((seq) =>
      keyed('sms.events.status', messageId, { ...statusExample, messageId, seq, eventId: randomUUID() }),
    ),
  )
const commands = (): readonly OutRecord[] =>
  Array.from({ length: messages / FOUR.length }, () =>
    keyed('smpp.operator', OPERATOR, {
      ...commandExample,
      messageId: randomUUID(),
      eventId: randomUUID(),
    }),
  )

const stored = (manager: JetStreamManager, stream: string) => async (): Promise<number> =>
  (await manager.streams.info(stream)).state.messages

const nats = await OwnNats.start()
const { nc, manager } = await provisioned(nats.url)
const kafka = connectKafka({ brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','), clientId: run })
const log = prefixedLog(kafka, `${run}.`)
await ensureTopics(log)

/**
 * One kind of traffic at a time: the machine's processors are the limit, and the two ends share
 * them with the bridge.
 */
async function measure(prepare: () => Promise<unknown>, count: () => Promise<number>, target: number) {
  await prepare()
  const bridges = bridgesBetween(nats.url, log, run)
  const perSecond = await rate(count, target)
  await bridges.close()
  return perSecond
}

const result = {
  messages,
  requestsToLog: await measure(
    () => publishAll(nc, 'sms.outbound.request', Array.from({ length: messages }, request)),
    () => ends(log, 'sms.outbound.request'),
    messages,
  ),
  receiptsToLogWithTenInWork: await measure(
    () => publishAll(nc, 'sms.dlr.inbound', Array.from({ length: messages / FOUR.length }, receipt)),
    () => ends(log, 'sms.dlr.inbound'),
    messages / FOUR.length,
  ),
  statusEventsToNats: await measure(
    () => log.writer().write(statuses()),
    stored(manager, 'SMS_EVENTS'),
    messages,
  ),
  commandsOfOneOperatorToNats: await measure(
    () => log.writer().write(commands()),
    stored(manager, 'SMPP_OUTBOUND'),
    messages / FOUR.length,
  ),
}
console.log(JSON.stringify(result))
await log.admin.deleteTopics(catalogue({ partitions: PARTITIONS, replicas: 1 }).map(({ name }) => name))
await log.close()
await nc.close()
await nats.close()
