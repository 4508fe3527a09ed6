import { AckPolicy, jetstream, RetentionPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { INBOUND_DURABLES, STREAMS } from '../../streams/contracts/subjects.ts'
import { durables } from './durables.ts'
import { provisionNats, ProvisionError } from './provision.ts'
import { OwnNats } from '../../streams/nats/testing/own-nats.suite.ts'
import { OPERATOR, provisioned } from './testing/scene.suite.ts'

const OPTIONS = { replicas: 1, operatorIds: [OPERATOR], dlrConcurrency: 10 }

let nats: OwnNats
let nc: NatsConnection
let manager: JetStreamManager
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
  for (const { name } of STREAMS) await manager.streams.delete(name).catch(() => false)
})

const problem = (options = OPTIONS): Promise<unknown> =>
  provisionNats(manager, options).then(
    () => undefined,
    (error: unknown) => error,
  )

describe('provisioning', () => {
  test('makes every stream with limits retention, on file, with ten minutes of ids and without rollups', async () => {
    await provisionNats(manager, OPTIONS)
    for (const spec of STREAMS) {
      const { config } = await manager.streams.info(spec.name)
      expect(config).toMatchObject({
        subjects: spec.subjects,
        retention: RetentionPolicy.Limits,
        storage: 'file',
        duplicate_window: nanos(600_000),
        max_age: nanos(spec.maxAgeMs),
        allow_rollup_hdrs: false,
        num_replicas: 1,
      })
    }
  })

  test('DLR-001.1 makes every durable by its name, to be pulled and acknowledged one by one', async () => {
    await provisionNats(manager, OPTIONS)
    for (const spec of durables(OPTIONS)) {
      const { config } = await manager.consumers.info(spec.stream, spec.name)
      expect(config).toMatchObject({
        durable_name: spec.name,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(spec.ackWaitMs),
        max_deliver: -1,
        max_ack_pending: spec.maxAckPending,
      })
      expect(config.deliver_subject).toBeUndefined()
    }
    const names = durables(OPTIONS).map(({ name }) => name)
    expect(names).toEqual([
      ...INBOUND_DURABLES.keys(),
      `smpp-connector-${OPERATOR}`,
      'routing-engine-health',
      'ops-health-consumer',
    ])
    const receipts = await manager.consumers.info('SMS_DLR', 'dlr-processor')
    expect(receipts.config.max_ack_pending).toBe(10)
  })

  test('twice is the same as once, and what can change does: age, concurrency, a new operator', async () => {
    await provisionNats(manager, OPTIONS)
    await provisionNats(manager, OPTIONS)
    await manager.streams.update('SMS_DLR', { max_age: nanos(3_600_000) })
    await provisionNats(manager, { ...OPTIONS, dlrConcurrency: 25, operatorIds: [OPERATOR, 'another'] })
    const { config } = await manager.streams.info('SMS_DLR')
    expect(config.max_age).toBe(nanos(3 * 86_400_000))
    const receipts = await manager.consumers.info('SMS_DLR', 'dlr-processor')
    expect(receipts.config.max_ack_pending).toBe(25)
    await manager.consumers.info('SMPP_OUTBOUND', 'smpp-connector-another')
  })

  test.each([
    ['retention', { subjects: ['sms.dlr.inbound'], retention: RetentionPolicy.Workqueue }],
    ['subjects', { subjects: ['sms.dlr.inbound', 'sms.dlr.more'], duplicate_window: nanos(600_000) }],
    ['duplicate_window', { subjects: ['sms.dlr.inbound'], duplicate_window: nanos(60_000) }],
    [
      'allow_rollup_hdrs',
      { subjects: ['sms.dlr.inbound'], duplicate_window: nanos(600_000), allow_rollup_hdrs: true },
    ],
    [
      'max_age',
      { subjects: ['sms.dlr.inbound'], duplicate_window: nanos(600_000), max_age: nanos(864_000_000) },
    ],
  ])('refuses a stream with another %s, and names it', async (field, config) => {
    await manager.streams.add({ name: 'SMS_DLR', ...config })
    const error = await problem()
    expect(error).toBeInstanceOf(ProvisionError)
    expect(String(error)).toContain(`stream SMS_DLR exists with another ${field}`)
  })

  test.each([
    ['filter_subject', { filter_subject: 'smpp.operator.somebody-else' }],
    ['filter_subject', {}],
    ['deliver_subject', { filter_subject: `smpp.operator.${OPERATOR}`, deliver_subject: 'elsewhere' }],
    ['ack_policy', { filter_subject: `smpp.operator.${OPERATOR}`, ack_policy: AckPolicy.All }],
  ])('refuses a durable with another %s, and names it', async (field, config) => {
    await provisionNats(manager, { ...OPTIONS, operatorIds: [] })
    await manager.consumers.add('SMPP_OUTBOUND', {
      durable_name: `smpp-connector-${OPERATOR}`,
      ack_policy: AckPolicy.Explicit,
      ...config,
    })
    const error = await problem()
    expect(error).toBeInstanceOf(ProvisionError)
    expect(String(error)).toContain(`smpp-connector-${OPERATOR} exists with another ${field}`)
  })

  test('[EV7] what served requests only serves cancels too, and goes on where it was', async () => {
    await manager.streams.add({
      name: 'SMS_OUTBOUND',
      subjects: ['sms.outbound.request'],
      duplicate_window: nanos(600_000),
      max_age: nanos(86_400_000),
    })
    await manager.consumers.add('SMS_OUTBOUND', {
      durable_name: 'orch-consumer',
      filter_subject: 'sms.outbound.request',
      ack_policy: AckPolicy.Explicit,
    })
    const client = jetstream(nc)
    await client.publish('sms.outbound.request', 'first')
    const consumer = await client.consumers.get('SMS_OUTBOUND', 'orch-consumer')
    await (await consumer.next())?.ackAck()
    await provisionNats(manager, OPTIONS)
    await provisionNats(manager, OPTIONS)
    const { config } = await manager.streams.info('SMS_OUTBOUND')
    expect(config.subjects).toEqual(['sms.outbound.request', 'sms.outbound.cancel'])
    await client.publish('sms.outbound.request', 'second')
    await client.publish('sms.outbound.cancel', 'third')
    const next = [await consumer.next(), await consumer.next()].map((message) => message?.string())
    expect(next).toEqual(['second', 'third'])
    const durable = await manager.consumers.info('SMS_OUTBOUND', 'orch-consumer')
    expect([durable.config.filter_subject ?? '', durable.config.ack_wait]).toEqual(['', nanos(10_000)])
  })

  test('a health durable that the routing engine made itself, without a filter, is as good as ours', async () => {
    await provisionNats(manager, OPTIONS)
    await manager.consumers.delete('OPERATOR_EVENTS', 'routing-engine-health')
    await manager.consumers.add('OPERATOR_EVENTS', {
      durable_name: 'routing-engine-health',
      ack_policy: AckPolicy.Explicit,
    })
    expect(await problem()).toBeUndefined()
  })
})
