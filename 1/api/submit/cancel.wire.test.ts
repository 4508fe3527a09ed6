import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OutboundCancel } from '../../streams/contracts/outbound.ts'
import { cancelEventId } from '../../streams/domain/event-id.ts'
import { idempotencyHash } from '../../streams/domain/message/idempotency.ts'
import {
  accountId,
  authorized,
  goodBody,
  startRealApi,
  tenantId,
  type RealApi,
} from '../testing/real-api.suite.ts'
import { until } from '../testing/until.suite.ts'
import { SubmitReply } from './idempotency.ts'

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
})
afterAll(() => api.close())

const HOUR_MS = 3_600_000
const inAnHour = () => new Date(api.now() + HOUR_MS).toISOString()
const scheduled = async (sendAt = inAnHour()) =>
  SubmitReply.parse((await api.send({ ...goodBody, sendAt })).json)
const del = async (messageId: string, claims?: Readonly<Record<string, string>>) =>
  api.call(`/v1/sms/${messageId}`, { method: 'DELETE', headers: await authorized(api, claims) })
const get = async (path: string) => api.call(path, { headers: await authorized(api) })
const publishedOf = async (messageId: string) =>
  (await api.published()).filter(({ headers }) => headers['X-Correlation-ID'] === messageId)
const outboxOf = async (messageId: string) =>
  (await api.sql.query(`SELECT msg_id FROM orch.outbox WHERE event_id = $1`, [cancelEventId(messageId)]))
    .rowCount

describe('[SM8] a submit with sendAt', () => {
  test('ORC-10.1 is stored SCHEDULED, is read and listed as such, and its event carries the instant', async () => {
    const sendAt = inAnHour()
    const { messageId, ...reply } = await scheduled(sendAt)
    expect(reply).toMatchObject({ status: 'SCHEDULED', sendAt })
    const expiresAt = new Date(Date.parse(sendAt) + 48 * HOUR_MS).toISOString()
    expect((await get(`/v1/sms/${messageId}`)).json).toMatchObject({ status: 'SCHEDULED', sendAt, expiresAt })
    expect((await get('/v1/sms?status=SCHEDULED&limit=1')).json).toMatchObject({
      messages: [{ messageId, sendAt }],
    })
    expect(await publishedOf(messageId)).toMatchObject([{ event: { messageId, sendAt, expiresAt } }])
  })

  test('is one message under its key, and the stored reply says SCHEDULED, from Postgres too', async () => {
    const [key, body] = [randomUUID(), { ...goodBody, sendAt: inAnHour() }]
    const first = await api.send(body, { 'Idempotency-Key': key })
    await api.redis.del(`orch:submit-idem:${idempotencyHash(tenantId, accountId, key)}`)
    const second = await api.send(body, { 'Idempotency-Key': key })
    expect([second.text, second.headers['idempotency-replayed']]).toEqual([first.text, 'true'])
    expect((await api.send(goodBody, { 'Idempotency-Key': key })).status).toBe(409)
  })

  test('is refused by name when it has passed or is too far away', async () => {
    for (const ms of [-1, 8 * 24 * HOUR_MS]) {
      const answer = await api.send({ ...goodBody, sendAt: new Date(api.now() + ms).toISOString() })
      expect(answer).toMatchObject({ status: 400, json: { errors: [{ path: 'sendAt' }] } })
    }
  })
})

describe('[H16] a cancel', () => {
  test('ORC-10.2 is ordered once however often it is asked for, and leaves no outbox row', async () => {
    const { messageId, enqueuedAt, sendAt } = await scheduled()
    for (let n = 0; n < 3; n += 1) {
      const answer = await del(messageId)
      expect(answer).toMatchObject({ status: 202, json: { messageId, status: 'SCHEDULED', sendAt } })
    }
    const [, cancel, ...more] = await publishedOf(messageId)
    expect(more).toEqual([])
    expect(cancel).toMatchObject({
      subject: `${api.subjectPrefix}sms.outbound.cancel`,
      headers: {
        'Nats-Msg-Id': `sms.outbound.cancel:${cancelEventId(messageId)}`,
        'X-Tenant-Id': tenantId,
      },
    })
    expect(OutboundCancel.strict().parse(cancel?.event)).toMatchObject({
      eventId: cancelEventId(messageId),
      messageId,
      tenantId,
      accountId,
      enqueuedAt,
      sendAt,
    })
    await until(async () => (await outboxOf(messageId)) === 0)
  })

  test('[RD2] of another tenant or account, or of nobody, is 404 and reaches nobody', async () => {
    const { messageId } = await scheduled()
    const answers = [
      await del(messageId, { tenant_id: randomUUID() }),
      await del(messageId, { account_id: randomUUID() }),
      await del(randomUUID()),
    ]
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404])
    expect(await publishedOf(messageId)).toHaveLength(1)
  })

  test('[ER18] is 409 for what is not SCHEDULED any more, or is due', async () => {
    const queued = SubmitReply.parse((await api.send(goodBody)).json)
    const cancelled = await scheduled()
    await api.sql.query(`UPDATE orch.sms_messages SET status = 'CANCELLED' WHERE message_id = $1`, [
      cancelled.messageId,
    ])
    const due = await scheduled(new Date(api.now() + 60_000).toISOString())
    api.advance(60_000)
    const answers = [await del(queued.messageId), await del(cancelled.messageId), await del(due.messageId)]
    expect(answers.map(({ status, json }) => ({ status, json }))).toMatchObject(
      ['QUEUED', 'CANCELLED', 'SCHEDULED'].map((status) => ({
        status: 409,
        json: { code: 'NOT_CANCELLABLE', errors: [{ path: 'status', message: `is ${status}` }] },
      })),
    )
    expect(await publishedOf(due.messageId)).toHaveLength(1)
  })

  test('ORC-10.3 [O1] is taken while NATS is away, and the relay publishes it before its request', async () => {
    await api.cuts.nats.cut()
    const { messageId } = await scheduled()
    expect((await del(messageId)).status).toBe(202)
    await api.cuts.nats.mend()
    await until(async () => (await publishedOf(messageId)).length === 2)
    const subjects = (await publishedOf(messageId)).map(({ subject }) =>
      subject.replace(api.subjectPrefix, ''),
    )
    expect(subjects).toEqual(['sms.outbound.cancel', 'sms.outbound.request'])
  })

  test('Postgres down is 503', async () => {
    const { messageId } = await scheduled()
    await api.cuts.postgres.cut()
    expect((await del(messageId)).status).toBe(503)
    await api.cuts.postgres.mend()
    expect(await publishedOf(messageId)).toHaveLength(1)
  })
})
