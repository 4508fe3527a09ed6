import { randomUUID } from 'node:crypto'
import { jetstream, type JetStreamManager } from '@nats-io/jetstream'
import { headers, nanos, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import {
  cancelExample,
  healthExample,
  inboundReceiptExample,
  requestExample,
} from '../../../streams/contracts/examples.ts'
import { memoryLog, type MemoryLog } from '../../../streams/log/memory.ts'
import type { MemoryFaults } from '../../../streams/log/memory/faults.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import { headerText, type LogRecord } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { OwnNats } from '../../../streams/nats/testing/own-nats.suite.ts'
import {
  bridgesBetween,
  ensureTopics,
  eventOf,
  eventually,
  metricOf,
  PARTITIONS,
  provisioned,
  recordsOf,
  type RunningBridges,
} from '../testing/scene.suite.ts'

const REQUESTS = 'sms.outbound.request'
const CANCELS = 'sms.outbound.cancel'
const RECEIPTS = 'sms.dlr.inbound'
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

let nats: OwnNats
let nc: NatsConnection
let manager: JetStreamManager
let log: MemoryLog
const faults: MemoryFaults = {}
const running = new Set<RunningBridges>()

beforeAll(async () => {
  nats = await OwnNats.start()
  const made = await provisioned(nats.url)
  nc = made.nc
  manager = made.manager
})
afterAll(async () => {
  await nc.close()
  await nats.close()
})
afterEach(async () => {
  delete faults.writeLost
  delete faults.writePartial
  for (const bridges of running) await bridges.close()
  running.clear()
  await log.close()
})

/** A log of its own for each test; of what earlier ones left in NATS nothing is unacknowledged. */
async function start(): Promise<RunningBridges> {
  log = memoryLog({ schedule: setImmediate, faults })
  await ensureTopics(log)
  return bridge()
}

function bridge(client = log.connect()): RunningBridges {
  const bridges = bridgesBetween(nats.url, client)
  running.add(bridges)
  return bridges
}

const publish = async (subject: string, payload: string, msgID: string): Promise<number> => {
  const given = headers()
  given.set('X-Tenant-Id', requestExample.tenantId)
  given.set('traceparent', TRACE)
  const ack = await jetstream(nc).publish(subject, payload, { headers: given, msgID })
  return ack.seq
}

interface Sent {
  readonly messageId: string
  readonly eventId: string
  readonly payload: string
}

const request = (): Sent => {
  const messageId = randomUUID()
  const eventId = randomUUID()
  return { messageId, eventId, payload: encode({ ...requestExample, messageId, eventId }) }
}

async function publishRequests(count: number): Promise<readonly Sent[]> {
  const sent = Array.from({ length: count }, request)
  await Promise.all(sent.map(({ payload, messageId }) => publish(REQUESTS, payload, messageId)))
  return sent
}

/** Like the outbox relay: each request again under its id until NATS has acknowledged it. */
async function publishUntil(stop: AbortSignal, acknowledged: string[]): Promise<void> {
  while (!stop.aborted) {
    const one = request()
    for (let stored = false; !stored && !stop.aborted; ) {
      stored = await publish(REQUESTS, one.payload, one.messageId).then(
        () => true,
        () => false,
      )
      if (stored) acknowledged.push(one.payload)
    }
  }
}

const payloads = (records: readonly LogRecord[]): readonly string[] =>
  records.map(({ value }) => value?.toString() ?? '')

const partitionsOf = (records: readonly LogRecord[]): ReadonlyMap<string, number> =>
  new Map(records.map(({ key, partition }) => [String(key), partition]))

/** Instead of 10 s, so that a test of redelivery is not all waiting. */
const redeliverAfter = (ms: number): Promise<unknown> =>
  manager.consumers.update('SMS_OUTBOUND', 'orch-consumer', { ack_wait: nanos(ms) })

const untilAcknowledged = (stream: string, durable: string): Promise<void> =>
  eventually(async () => {
    const info = await manager.consumers.info(stream, durable)
    expect([info.num_pending, info.num_ack_pending]).toEqual([0, 0])
  })

describe('NATS to the log', () => {
  test('PLT-1 a subject and its topic carry the same bytes, keys, times and headers', async () => {
    const bridges = await start()
    const sent = await publishRequests(200)
    await eventually(async () => expect(await recordsOf(log, REQUESTS)).toHaveLength(200))
    const records = await recordsOf(log, REQUESTS)
    const expected = new Map(sent.map(({ messageId, payload }) => [messageId, payload]))
    expect(new Set(records.map(({ key }) => key?.toString()))).toEqual(new Set(expected.keys()))
    for (const { key, value, partition, timestamp, headers: copied } of records) {
      const messageId = String(key)
      expect(value?.toString()).toBe(expected.get(messageId))
      expect(partition).toBe(partitionOf(messageId, PARTITIONS))
      const seq = Number(headerText(copied, 'x-src-seq'))
      const stored = await manager.streams.getMessage('SMS_OUTBOUND', { seq })
      expect(stored?.string()).toBe(expected.get(messageId))
      expect(timestamp).toBeGreaterThanOrEqual(stored?.time.getTime() ?? Number.POSITIVE_INFINITY)
      expect(headerText(copied, 'X-Tenant-Id')).toBe(requestExample.tenantId)
      expect(headerText(copied, 'traceparent')).toBe(TRACE)
      expect(headerText(copied, 'Nats-Msg-Id')).toBeUndefined()
    }
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    expect(await metricOf(bridges.metrics, 'bridge_in_total', REQUESTS)).toBe(200)
  })

  test('receipts of one key arrive in the order in which NATS stored them', async () => {
    await start()
    const stats = ['ACCEPTD', 'ENROUTE', 'DELIVRD', 'EXPIRED', 'UNDELIV']
    const ids = ['a', 'b', 'c', 'd']
    for (const stat of stats)
      for (const operatorMessageId of ids)
        await publish(
          RECEIPTS,
          encode({ ...inboundReceiptExample, operatorMessageId, stat }),
          `${operatorMessageId}-${stat}`,
        )
    await eventually(async () => expect(await recordsOf(log, RECEIPTS)).toHaveLength(20))
    const records = await recordsOf(log, RECEIPTS)
    for (const id of ids) {
      const own = records.filter(({ key }) => key?.toString().endsWith(`:${id}`) === true)
      expect(payloads(own).map((text) => eventOf(text).stat)).toEqual(stats)
    }
    await untilAcknowledged('SMS_DLR', 'dlr-processor')
  })

  test('[EV7] one durable takes requests and cancels, each to its topic and the partition of its message', async () => {
    const bridges = await start()
    const sent = await publishRequests(20)
    const cancels = sent.map(({ messageId }) => encode({ ...cancelExample, messageId }))
    for (const [n, payload] of cancels.entries()) await publish(CANCELS, payload, `${CANCELS}:${n}`)
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    const requests = await recordsOf(log, REQUESTS)
    const cancelled = await recordsOf(log, CANCELS)
    expect(new Set(payloads(requests))).toEqual(new Set(sent.map(({ payload }) => payload)))
    expect(new Set(payloads(cancelled))).toEqual(new Set(cancels))
    expect(partitionsOf(cancelled)).toEqual(partitionsOf(requests))
    expect(await metricOf(bridges.metrics, 'bridge_in_total', CANCELS)).toBe(20)
    expect(await metricOf(bridges.metrics, 'bridge_in_total', REQUESTS)).toBe(20)
  })

  test('what cannot be read is mirrored without a key and not judged', async () => {
    await start()
    await publish(REQUESTS, 'not json at all', 'unreadable')
    await eventually(async () => expect(await recordsOf(log, REQUESTS)).toHaveLength(1))
    const [record] = await recordsOf(log, REQUESTS)
    expect([record?.key, record?.value?.toString()]).toEqual([null, 'not json at all'])
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
  })

  test('ORC-4.11 nothing is acknowledged while the log is away, and then everything arrives in order', async () => {
    await start()
    faults.writeLost = () => true
    const sent: Sent[] = []
    for (let n = 0; n < 40; n += 1) {
      const one = request()
      await publish(REQUESTS, one.payload, one.messageId)
      sent.push(one)
    }
    await eventually(async () => {
      const { num_ack_pending, num_redelivered } = await manager.consumers.info(
        'SMS_OUTBOUND',
        'orch-consumer',
      )
      expect([num_ack_pending, num_redelivered]).toEqual([40, 0])
    })
    expect(await recordsOf(log, REQUESTS)).toHaveLength(0)
    delete faults.writeLost
    await eventually(async () => expect(await recordsOf(log, REQUESTS)).toHaveLength(40))
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    const order = new Map(sent.map(({ payload }, index) => [payload, index]))
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const own = (await recordsOf(log, REQUESTS)).filter((record) => record.partition === partition)
      const indices = payloads(own).map((payload) => order.get(payload) ?? -1)
      expect(indices).toEqual([...indices].sort((a, b) => a - b))
    }
  })

  test('[F5] a log that is away for longer than ack_wait: NATS is kept from delivering anything twice', async () => {
    await start()
    await redeliverAfter(12_000)
    faults.writeLost = () => true
    await publishRequests(20)
    await sleep(15_000)
    const { num_ack_pending, num_redelivered } = await manager.consumers.info('SMS_OUTBOUND', 'orch-consumer')
    expect([num_ack_pending, num_redelivered]).toEqual([20, 0])
    delete faults.writeLost
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    expect(await recordsOf(log, REQUESTS)).toHaveLength(20)
  })

  test('a write that half arrived is repeated: nothing lost, and what is there twice has the same id', async () => {
    await start()
    let left = 3
    faults.writePartial = ({ records }) => records[0]?.topic === REQUESTS && left-- > 0
    const sent = await publishRequests(60)
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    const records = await recordsOf(log, REQUESTS)
    expect(new Set(payloads(records))).toEqual(new Set(sent.map(({ payload }) => payload)))
    expect(left).toBeLessThan(3)
    expect(new Set(payloads(records)).size).toBe(60)
  })

  test('DLR-001.2 a bridge that dies in the middle loses nothing: the next one goes on after the last ack', async () => {
    log = memoryLog({ schedule: setImmediate, faults })
    await ensureTopics(log)
    const doomed = log.connect()
    const first = bridge(doomed)
    const sent = await publishRequests(30)
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    // From here on nothing that it writes arrives, and nothing answers it any more.
    doomed.crash()
    await redeliverAfter(2_000)
    const late = await publishRequests(30)
    await eventually(async () => {
      const info = await manager.consumers.info('SMS_OUTBOUND', 'orch-consumer')
      expect(info.num_ack_pending).toBe(30)
    })
    running.delete(first)
    for (const link of first.links) await link.close()
    bridge()
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    const mirrored = payloads(await recordsOf(log, REQUESTS))
    expect(mirrored).toHaveLength(60)
    expect(new Set(mirrored)).toEqual(new Set([...sent, ...late].map(({ payload }) => payload)))
  })

  test('PLT-1 NATS killed and started again while clients publish: each acknowledged message is on the log', async () => {
    const bridges = await start()
    await redeliverAfter(2_000)
    const acknowledged: string[] = []
    const stop = new AbortController()
    const publishing = publishUntil(stop.signal, acknowledged)
    for (let round = 0; round < 2; round += 1) {
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(200 * (round + 1)))
      await nats.kill()
      await eventually(async () => expect((await bridges.ready()).ready).toBe(false))
      await nats.start()
    }
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(700))
    stop.abort()
    await publishing
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    await eventually(async () => expect((await bridges.ready()).ready).toBe(true))
    const mirrored = new Set(payloads(await recordsOf(log, REQUESTS)))
    expect(acknowledged.filter((payload) => !mirrored.has(payload))).toEqual([])
  })

  test('the health of one operator keeps its order, one message at a time', async () => {
    await start()
    const states = Array.from({ length: 30 }, (_, n) => ({ ...healthExample, reason: `state ${n}` }))
    for (const [n, state] of states.entries()) await publish('operator.health', encode(state), `health-${n}`)
    await eventually(async () => expect(await recordsOf(log, 'operator.health')).toHaveLength(30))
    expect(payloads(await recordsOf(log, 'operator.health'))).toEqual(states.map(encode))
    const { config } = await manager.consumers.info('OPERATOR_EVENTS', 'health-mirror')
    expect(config.max_ack_pending).toBe(1)
  })

  test('a message that the log can never take becomes a dead letter, and the next one goes on', async () => {
    const bridges = await start()
    const seq = await publish(REQUESTS, 'x'.repeat(1_020_000), 'too-large')
    const [next] = await publishRequests(1)
    await eventually(async () => expect(payloads(await recordsOf(log, REQUESTS))).toEqual([next?.payload]))
    await untilAcknowledged('SMS_OUTBOUND', 'orch-consumer')
    const [dead] = payloads(await recordsOf(log, 'bridge.deadletter'))
    expect(eventOf(dead ?? '')).toMatchObject({
      sourceTopic: 'SMS_OUTBOUND',
      sourceOffset: String(seq),
      reason: 'refused',
      payloadBase64: Buffer.from('x'.repeat(524_288)).toString('base64'),
    })
    expect(await metricOf(bridges.metrics, 'bridge_deadletter_total', REQUESTS)).toBe(1)
  })
})

describe('readiness', () => {
  test('DLR-E1.1 DLR-001.4 ready with an active consumer for every durable, and not without', async () => {
    const bridges = await start()
    await eventually(async () => expect((await bridges.ready()).ready).toBe(true))
    const { details } = await bridges.ready()
    expect(details).toMatchObject({ 'dlr-processor': 'active', 'orch-consumer': 'active', log: 'active' })
    await manager.consumers.delete('SMS_DLR', 'dlr-processor')
    await eventually(async () => {
      const { ready, details: now } = await bridges.ready()
      expect([ready, now['dlr-processor']]).toEqual([false, 'inactive'])
      expect(await bridges.metrics.registry.metrics()).toContain('dlr_nats_consumer_status 0')
    })
    await provisioned(nats.url).then((made) => made.nc.close())
    await eventually(async () => expect((await bridges.ready()).ready).toBe(true))
    expect(await bridges.metrics.registry.metrics()).toContain('dlr_nats_consumer_status 1')
  })
})
