import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { TopicDeadLetter } from '../../../streams/contracts/dead-letter.ts'
import { inboundReceiptExample } from '../../../streams/contracts/examples.ts'
import { topic } from '../../../streams/contracts/topic.ts'
import { connectKafka } from '../../../streams/log/kafka.ts'
import { readTopic } from '../demo/collect.ts'
import { runDemo } from '../demo/run.ts'
import { SAMPLE_IDENTITY } from '../demo/traffic.ts'
import { startPlatform, type Platform } from '../../local/platform.ts'
import { KILLABLE } from '../../local/services.ts'
import { startStack, type Stack } from '../../stack/stack.ts'
import { Receipts } from './receipts.ts'
import { Client, tracesOf } from './scheduled.ts'

/**
 * The whole system: real broker, NATS, Postgres, Redis, SMPP over TCP, every service a process of
 * its own.
 */
let stack: Stack
let platform: Platform
const abort = new AbortController()

beforeAll(async () => {
  // Servers of its own: other tests leave records in the topics and streams of the shared ones.
  stack = await startStack({ abort: abort.signal, env: {}, say: () => {} })
  platform = await startPlatform({ stack, abort: abort.signal, say: () => {} })
}, 180_000)

afterAll(async () => {
  await platform.close()
  await stack.stop()
}, 60_000)

const post = async (body: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${platform.apiUrl}/v1/sms/send`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${await platform.identity.token(SAMPLE_IDENTITY)}`,
      'x-tenant-id': SAMPLE_IDENTITY.tenantId,
      ...headers,
    },
    body,
  })

const Problem = z.object({ type: z.string(), status: z.number(), code: z.string(), title: z.string() })
const good = { to: '+447700900123', from: 'GHASI', body: 'hello' }

const DLR_METRICS = [
  'dlr_messages_received_total',
  'dlr_messages_processed_total',
  'dlr_duplicates_total',
  'dlr_orphans_total',
  'dlr_validation_errors_total',
  'dlr_db_errors_total',
  'dlr_processing_duration_seconds',
  'dlr_outbox_pending_count',
  'dlr_orphan_rate',
  'dlr_nats_consumer_status',
  'dlr_nats_ack_pending',
]

describe('the platform', () => {
  it('DLR-E1.4 brings every message of a mixed run to its one expected end, billed once, told once', async () => {
    const report = await runDemo(platform, {
      messages: 150,
      seed: 5,
      kill: [],
      abort: abort.signal,
      table: false,
    })
    expect(report.violations).toEqual([])
    expect(report).toMatchObject({ accepted: 150, lost: 0, duplicatesAtOperator: 0, duplicatesInDoubt: 0 })
  })

  it('DLR-010.1 shows the eleven figures of receipts, where people look for them', async () => {
    const names = await Promise.all(
      (['topologies', 'bridges', 'sinks'] as const).map(async (name) => {
        const response = await fetch(`http://127.0.0.1:${platform.ports[name]}/metrics`)
        return (await response.text()).match(/(?<=^# TYPE )dlr_\w+/gm) ?? []
      }),
    )
    expect(names.flat()).toEqual(expect.arrayContaining(DLR_METRICS))
  })

  const refusals: readonly (readonly [string, () => Promise<Response>, number, string])[] = [
    ['not JSON', () => post('{"to":'), 400, 'INVALID_PAYLOAD'],
    ['wrong types', () => post(JSON.stringify({ ...good, body: 7 })), 400, 'INVALID_PAYLOAD'],
    [
      '1,601 characters',
      () => post(JSON.stringify({ ...good, body: 'x'.repeat(1601) })),
      400,
      'SMS_BODY_TOO_LONG',
    ],
    ['a bad number', () => post(JSON.stringify({ ...good, to: '12' })), 400, 'INVALID_DESTINATION'],
    [
      'another tenant',
      () => post(JSON.stringify(good), { 'x-tenant-id': randomUUID() }),
      403,
      'TENANT_MISMATCH',
    ],
    [
      'a body over the limit',
      () => post(JSON.stringify({ ...good, pad: 'x'.repeat(70_000) })),
      413,
      'REQUEST_TOO_LARGE',
    ],
    [
      'another content type',
      () => post('to=1', { 'content-type': 'text/plain' }),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['no token', () => post(JSON.stringify(good), { authorization: '' }), 401, 'UNAUTHENTICATED'],
  ]

  it.each(refusals)('PLT-8 answers %s with the documented problem', async (_, send, status, code) => {
    const response = await send()
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    const problem = Problem.parse(await response.json())
    expect(problem).toMatchObject({ status, code })
    expect(problem.type).toContain('/problems/')
  })

  it('puts a garbage record of a topic or a subject into its dead letter, and goes on', async () => {
    const log = connectKafka({ brokers: stack.kafkaBrokers.split(','), clientId: 'e2e' })
    const writer = log.writer()
    await writer.write([
      {
        topic: 'smpp.submit.result',
        partition: 0,
        key: 'x',
        value: 'garbage on the log',
        timestamp: Date.now(),
      },
    ])
    await writer.close()
    const nats = await connect({ servers: stack.natsUrl })
    await jetstream(nats).publish('sms.dlr.inbound', 'garbage on the subject')
    await jetstream(nats).publish('sms.outbound.request', JSON.stringify({ schemaVersion: '9.0' }))
    await nats.close()
    const found = async (name: string): Promise<string[]> => {
      const dead = topic(`${name}.deadletter`, TopicDeadLetter, (letter) => letter.sourceTopic)
      const letters = await readTopic(log, dead, platform.partitions)
      return letters.map(
        ({ reason, payloadBase64 }) => `${reason} ${Buffer.from(payloadBase64, 'base64').toString()}`,
      )
    }
    const wanted = [
      ['smpp.submit.result', 'not_json garbage on the log'],
      ['sms.dlr.inbound', 'not_json garbage on the subject'],
      ['sms.outbound.request', 'version {"schemaVersion":"9.0"}'],
    ] as const
    for (const [name, letter] of wanted) {
      for (let look = 0; look < 100 && (await found(name)).length === 0; look += 1) await sleep(200)
      expect(await found(name)).toEqual([letter])
    }
    await log.close()
    const report = await runDemo(platform, {
      messages: 20,
      seed: 6,
      kill: [],
      abort: abort.signal,
      table: false,
    })
    expect(report.violations).toEqual([])
  })

  it('DLR-006.3 DLR-021.1 DLR-005.4 tells of a receipt that belongs to nothing, keeps it, and has acknowledged it', async () => {
    const receipts = await Receipts.open(platform)
    const operatorMessageId = `unknown-${randomUUID()}`
    const stray = { ...inboundReceiptExample, operatorMessageId, eventId: randomUUID() }
    const { messageId: _, ...unknown } = { ...stray, receivedAt: new Date().toISOString() }
    const unmatched = await receipts.nextUnmatched(() => receipts.publish(unknown))
    expect(unmatched).toMatchObject({ operatorMessageId, operatorId: unknown.operatorId })
    expect(await receipts.settled()).toEqual({ redelivered: 0 })
    for (let look = 0; look < 100 && (await receipts.orphanRows(operatorMessageId)) === 0; look += 1)
      await sleep(200)
    expect(await receipts.orphanRows(operatorMessageId)).toBe(1)
    await receipts.close()
  })

  it('DLR-003.4 DLR-015.4 CON-1.1 bills and tells once, however often and fast an operator repeats a receipt', async () => {
    const receipts = await Receipts.open(platform)
    const given = await receipts.ofDelivered()
    const messageId = given.messageId ?? ''
    const before = { ...(await receipts.eventsOf(messageId)), rows: await receipts.receiptRows(messageId) }
    expect(before).toEqual({ billed: 1, told: 1, rows: 1 })
    const droppedBefore = await receipts.dropped()
    const now = new Date().toISOString()
    const same = Array.from({ length: 5 }, () => ({ ...given, eventId: randomUUID(), receivedAt: now }))
    await Promise.all([receipts.publish(given), ...same.map((receipt) => receipts.publish(receipt))])
    await receipts.settled()
    // NATS itself drops the one that has its own id.
    await receipts.untilDropped(droppedBefore + same.length)
    const after = { ...(await receipts.eventsOf(messageId)), rows: await receipts.receiptRows(messageId) }
    expect(after).toEqual(before)
    await receipts.close()
  })

  it('ORC-10.1 ORC-10.2 sends what is scheduled at its instant, and never what was cancelled before', async () => {
    const client = new Client(platform)
    const sendAtMs = Date.now() + 12_000
    const [kept, cancelled] = [await client.schedule(sendAtMs), await client.schedule(sendAtMs)]
    expect([kept.status, cancelled.status]).toEqual(['SCHEDULED', 'SCHEDULED'])
    expect((await client.call('DELETE', `/${cancelled.messageId}`)).status).toBe(202)
    expect(await client.untilStatus(cancelled.messageId, 'CANCELLED')).toBe('CANCELLED')
    expect(await client.untilStatus(kept.messageId, 'DELIVERED')).toBe('DELIVERED')
    for (const { messageId } of [kept, cancelled]) {
      const late = await client.call('DELETE', `/${messageId}`)
      expect(Problem.parse(await late.json())).toMatchObject({ status: 409, code: 'NOT_CANCELLABLE' })
    }
    const sent = await tracesOf(platform, kept.messageId)
    expect(sent.path).toEqual(['SCHEDULED', 'QUEUED', 'ROUTING', 'ROUTED', 'SENT', 'DELIVERED'])
    expect([sent.commands.length, sent.billed, sent.told]).toEqual([1, 1, 1])
    expect(Date.parse(sent.commands[0]?.routedAt ?? '')).toBeGreaterThanOrEqual(sendAtMs)
    const never = await tracesOf(platform, cancelled.messageId)
    expect(never).toEqual({ path: ['SCHEDULED', 'CANCELLED'], commands: [], billed: 0, told: 0 })
  })

  it('PLT-5 loses and doubles nothing when every service is killed once on the way', async () => {
    const kill = KILLABLE
    const report = await runDemo(platform, {
      messages: 300,
      seed: 7,
      kill,
      abort: abort.signal,
      table: false,
    })
    expect(report.violations).toEqual([])
    expect(report.killed).toEqual(KILLABLE)
    expect(report).toMatchObject({ accepted: 300, lost: 0, duplicatesAtOperator: 0 })
  })
})
