import { randomUUID } from 'node:crypto'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import {
  aggregatedExample,
  billingExample,
  commandExample,
  statusExample,
  unmatchedExample,
  webhookExample,
} from '../../../streams/contracts/examples.ts'
import { OUTBOUND_MIRRORS } from '../../../streams/contracts/subjects.ts'
import { memoryLog, type MemoryLog } from '../../../streams/log/memory.ts'
import { partitionOf } from '../../../streams/log/partitioner.ts'
import type { Headers, OutRecord } from '../../../streams/log/port.ts'
import { OUTBOUND_GROUP } from './outbound.ts'
import { OwnNats } from '../../../streams/nats/testing/own-nats.suite.ts'
import {
  bridgesBetween,
  ensureTopics,
  eventOf,
  eventually,
  metricOf,
  OPERATOR,
  PARTITIONS,
  provisioned,
  recordsOf,
  storedIn,
  type RunningBridges,
  type Stored,
} from '../testing/scene.suite.ts'

let nats: OwnNats
let nc: NatsConnection
let manager: JetStreamManager
let log: MemoryLog
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
beforeEach(async () => {
  log = memoryLog({ schedule: setImmediate })
  await ensureTopics(log)
})
afterEach(async () => {
  for (const bridges of running) await bridges.close()
  running.clear()
  await log.close()
  for (const { stream } of OUTBOUND_MIRRORS) await manager.streams.purge(stream)
})

function bridge(): RunningBridges {
  const bridges = bridgesBetween(nats.url, log.connect())
  running.add(bridges)
  return bridges
}

async function stop(bridges: RunningBridges): Promise<void> {
  running.delete(bridges)
  await bridges.close()
}

interface Event {
  readonly messageId?: string
  readonly eventId: string
  readonly [field: string]: unknown
}

const recordOf = (topic: string, key: string, value: Event, headers: Headers = {}): OutRecord => ({
  topic,
  partition: partitionOf(key, PARTITIONS),
  key,
  value: encode(value),
  timestamp: Date.now(),
  headers,
})

const keyed = (topic: string, value: Event & { readonly messageId: string }, headers?: Headers): OutRecord =>
  recordOf(topic, value.messageId, value, headers)

const command = (headers?: Headers): OutRecord => {
  const value = { ...commandExample, messageId: randomUUID(), eventId: randomUUID() }
  return recordOf('smpp.operator', OPERATOR, value, headers)
}

const billing = (): OutRecord =>
  keyed('billing.events', { ...billingExample, messageId: randomUUID(), eventId: randomUUID() })

const write = async (records: readonly OutRecord[]): Promise<void> => {
  const writer = log.connect().writer()
  await writer.write(records)
  await writer.close()
}

const valuesOf = (records: readonly OutRecord[]): readonly string[] =>
  records.map(({ value }) => value?.toString() ?? '')
const idsOf = (stored: readonly Stored[]): readonly string[] =>
  stored.map(({ headers }) => headers?.get('Nats-Msg-Id') ?? '')

const untilMirrored = (stream: string, count: number): Promise<readonly Stored[]> =>
  eventually(async () => {
    expect((await manager.streams.info(stream)).state.messages).toBe(count)
    return storedIn(manager, stream)
  })

/** The group has taken everything, and its cursors say so. */
const untilTaken = (topic: string): Promise<void> =>
  eventually(async () => {
    const at = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
    const committed = await log.admin.committed(OUTBOUND_GROUP, at)
    for (const [key, { end }] of await log.admin.bounds(at)) expect(committed.get(key)?.next ?? 0).toBe(end)
  })

const rewind = async (topic: string): Promise<void> => {
  const at = Array.from({ length: PARTITIONS }, (_, partition) => ({
    topic,
    partition,
    next: 0,
    metadata: '',
  }))
  await eventually(() => log.admin.moveCursors(OUTBOUND_GROUP, at))
}

describe('the log to NATS', () => {
  test('PLT-1 a topic and its subject carry the same bytes, each under the id of its event', async () => {
    const bridges = bridge()
    const messageId = randomUUID()
    const records = [
      keyed('sms.events.status', { ...statusExample, messageId }, { 'X-Tenant-Id': statusExample.tenantId }),
      keyed('sms.dlr.aggregated.v1', { ...aggregatedExample, messageId }),
      recordOf('sms.dlr.unmatched', `${OPERATOR}:OP-MSG-404`, unmatchedExample),
      keyed('billing.events', { ...billingExample, messageId }),
      keyed('webhook.dispatch', { ...webhookExample, messageId }),
      recordOf('smpp.operator', OPERATOR, { ...commandExample, messageId }),
    ]
    await write(records)
    const streams = ['SMS_EVENTS', 'BILLING_EVENTS', 'WEBHOOK_EVENTS', 'SMPP_OUTBOUND'] as const
    const stored = [...(await untilMirrored('SMS_DLR_OUT', 2))]
    for (const stream of streams) stored.push(...(await untilMirrored(stream, 1)))
    expect(stored.map(({ payload }) => payload).sort()).toEqual([...valuesOf(records)].sort())
    expect(new Set(stored.map(({ subject }) => subject))).toEqual(
      new Set([...records.slice(0, 5).map(({ topic }) => topic), `smpp.operator.${OPERATOR}`]),
    )
    for (const { payload, headers, subject } of stored) {
      const type = subject.startsWith('smpp.operator') ? 'smpp.operator' : subject
      expect(headers?.get('Nats-Msg-Id')).toBe(`${type}:${eventOf(payload).eventId}`)
    }
    const status = stored.find(({ subject }) => subject === 'sms.events.status')
    expect(status?.headers?.get('X-Tenant-Id')).toBe(statusExample.tenantId)
    expect(await metricOf(bridges.metrics, 'bridge_out_total', 'billing.events')).toBe(1)
  })

  test('the events of a message keep their order while hundreds are on their way', async () => {
    bridge()
    const messages = Array.from({ length: 150 }, () => randomUUID())
    const records = [1, 2, 3, 4].flatMap((seq) =>
      messages.map((messageId) =>
        keyed('sms.events.status', { ...statusExample, messageId, seq, eventId: randomUUID() }),
      ),
    )
    await write(records)
    const seqs = new Map<string, number[]>()
    for (const { payload } of await untilMirrored('SMS_EVENTS', 600)) {
      const { messageId, seq } = eventOf(payload)
      seqs.set(messageId, [...(seqs.get(messageId) ?? []), seq])
    }
    expect(new Set([...seqs.values()].map(String))).toEqual(new Set(['1,2,3,4']))
    expect(seqs.size).toBe(150)
  })

  test('DLR-008.4 DLR-009.3 NATS killed in the middle and started again: every event is there once, in order', async () => {
    const bridges = bridge()
    const messages = Array.from({ length: 200 }, () => randomUUID())
    const webhooks = ['UNKNOWN', 'DELIVERED'].flatMap((dlrStatus) =>
      messages.map((messageId) =>
        keyed('webhook.dispatch', { ...webhookExample, messageId, dlrStatus, eventId: randomUUID() }),
      ),
    )
    const bills = messages.map(() => billing())
    await write([...webhooks.slice(0, 150), ...bills.slice(0, 100)])
    await eventually(async () =>
      expect((await manager.streams.info('BILLING_EVENTS')).state.messages).toBeGreaterThan(0),
    )
    await nats.kill()
    await write([...webhooks.slice(150), ...bills.slice(100)])
    await eventually(async () => {
      expect((await bridges.ready()).ready).toBe(false)
      const pending = await bridges.metrics.registry.getSingleMetric('dlr_outbox_pending_count')?.get()
      expect(pending?.values[0]?.value).toBeGreaterThan(0)
    })
    await nats.start()
    const stored = await untilMirrored('WEBHOOK_EVENTS', 400)
    expect(new Set(stored.map(({ payload }) => payload))).toEqual(new Set(valuesOf(webhooks)))
    const seen = new Map<string, string>()
    for (const { payload } of stored) {
      const { messageId, dlrStatus } = eventOf(payload)
      seen.set(messageId, `${seen.get(messageId) ?? ''}${dlrStatus} `)
    }
    expect(new Set(seen.values())).toEqual(new Set(['UNKNOWN DELIVERED ']))
    const billed = await untilMirrored('BILLING_EVENTS', 200)
    expect(new Set(billed.map(({ payload }) => payload))).toEqual(new Set(valuesOf(bills)))
    await untilTaken('billing.events')
    await eventually(async () => {
      const pending = await bridges.metrics.registry.getSingleMetric('dlr_outbox_pending_count')?.get()
      expect(pending?.values[0]?.value).toBe(0)
    })
  })

  test('a bridge that dies in the middle: the next one goes on, and what is repeated carries the same id', async () => {
    const doomed = log.connect()
    const first = bridgesBetween(nats.url, doomed)
    const bills = Array.from({ length: 300 }, billing)
    await write(bills.slice(0, 200))
    await eventually(async () =>
      expect((await manager.streams.info('BILLING_EVENTS')).state.messages).toBeGreaterThan(0),
    )
    doomed.crash()
    for (const link of first.links) await link.close()
    log.expireSessions()
    await write(bills.slice(200))
    bridge()
    await untilTaken('billing.events')
    const stored = await untilMirrored('BILLING_EVENTS', 300)
    expect(new Set(idsOf(stored))).toEqual(
      new Set(valuesOf(bills).map((value) => `billing.events:${eventOf(value).eventId}`)),
    )
  })

  test('[F20] what NATS can never take becomes a dead letter, and the next record goes on', async () => {
    const bridges = bridge()
    const messageId = randomUUID()
    const good = { ...billingExample, messageId, eventId: randomUUID() }
    const oversize = keyed('billing.events', { ...good, eventId: randomUUID() })
    // NATS's own limit is that of the log: a stream may have a lower one.
    await manager.streams.update('BILLING_EVENTS', { max_msg_size: 100_000 })
    const padded = { ...oversize, value: `${String(oversize.value)}${' '.repeat(100_000)}` }
    const unreadable = { ...oversize, value: 'not json' }
    await write([padded, unreadable, keyed('billing.events', good)])
    const stored = await untilMirrored('BILLING_EVENTS', 1)
    expect(stored[0]?.payload).toBe(encode(good))
    await untilTaken('billing.events')
    const dead = (await recordsOf(log, 'bridge.deadletter')).map(({ value }) =>
      eventOf(value?.toString() ?? ''),
    )
    expect(new Set(dead.map(({ reason }) => reason))).toEqual(new Set(['not_json', 'refused']))
    expect(dead.find(({ reason }) => reason === 'not_json')).toMatchObject({
      sourceTopic: 'billing.events',
      sourceOffset: '1',
      payloadBase64: Buffer.from('not json').toString('base64'),
    })
    expect(await metricOf(bridges.metrics, 'bridge_deadletter_total', 'billing.events')).toBe(2)
    await manager.streams.update('BILLING_EVENTS', { max_msg_size: -1 })
  })

  test('a header of NATS that comes with a record is not copied: the stream keeps what it has', async () => {
    bridge()
    await write([billing(), billing()])
    await untilMirrored('BILLING_EVENTS', 2)
    await write([{ ...billing(), headers: { 'Nats-Rollup': 'all', 'nats-expected-stream': 'OTHER' } }])
    const stored = await untilMirrored('BILLING_EVENTS', 3)
    expect(stored[2]?.headers?.keys()).toEqual(['Nats-Msg-Id'])
  })
})

describe('replays', () => {
  test('[P4] a replayed command is never published, any other replayed event is, and says so', async () => {
    const bridges = bridge()
    const bill = billing()
    const fresh = command()
    await write([command({ replayed: '1' }), fresh, { ...bill, headers: { replayed: '1' } }])
    const commands = await untilMirrored('SMPP_OUTBOUND', 1)
    expect(commands.map(({ payload }) => payload)).toEqual(valuesOf([fresh]))
    const [billed] = await untilMirrored('BILLING_EVENTS', 1)
    expect(billed?.headers?.get('Replayed')).toBe('true')
    expect(billed?.headers?.keys().includes('replayed')).toBe(false)
    await untilTaken('smpp.operator')
    expect(await metricOf(bridges.metrics, 'bridge_replay_suppressed_total', 'smpp.operator')).toBe(1)
  })

  test('[P7] a reset of the group publishes events again under their ids, and no command, however long ago', async () => {
    const first = bridge()
    const commands = Array.from({ length: 20 }, () => command())
    const bills = Array.from({ length: 20 }, billing)
    await write([...commands, ...bills])
    const billed = await untilMirrored('BILLING_EVENTS', 20)
    await untilMirrored('SMPP_OUTBOUND', 20)
    await untilTaken('smpp.operator')
    await untilTaken('billing.events')
    await stop(first)
    await rewind('smpp.operator')
    await rewind('billing.events')
    await forgetIds('BILLING_EVENTS')
    await forgetIds('SMPP_OUTBOUND')
    const later = command()
    await write([later])
    const second = bridge()
    const again = await untilMirrored('BILLING_EVENTS', 20)
    expect(new Set(idsOf(again))).toEqual(new Set(idsOf(billed)))
    const published = await untilMirrored('SMPP_OUTBOUND', 1)
    expect(published.map(({ payload }) => payload)).toEqual(valuesOf([later]))
    await untilTaken('smpp.operator')
    expect(await metricOf(second.metrics, 'bridge_replay_suppressed_total', 'smpp.operator')).toBe(20)
  })

  test('commands of a topic that was made again are published although their offsets are below the mark', async () => {
    const first = bridge()
    await write([command(), command(), command()])
    await untilMirrored('SMPP_OUTBOUND', 3)
    await untilTaken('smpp.operator')
    await stop(first)
    await log.admin.deleteTopics(['smpp.operator'])
    await ensureTopics(log)
    const fresh = command()
    await write([fresh])
    bridge()
    const stored = await untilMirrored('SMPP_OUTBOUND', 4)
    expect(stored[3]?.payload).toBe(valuesOf([fresh])[0])
  })
})

/**
 * What ten minutes do to the ids that a stream knows: it is made again, empty, with the same
 * settings.
 */
async function forgetIds(stream: string): Promise<void> {
  await manager.streams.delete(stream)
  const made = await provisioned(nats.url)
  await made.nc.close()
}
