import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import { idempotencyHash } from '../../streams/domain/message/idempotency.ts'
import { SubmitReply } from './idempotency.ts'
import {
  accountId,
  authorized,
  goodBody,
  startRealApi,
  tenantId,
  type RealApi,
} from '../testing/real-api.suite.ts'
import { until } from '../testing/until.suite.ts'

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
})
afterAll(() => api.close())

const HOUR_MS = 3_600_000
const rowOf = async (messageId: string) =>
  (await api.sql.query(`SELECT * FROM orch.sms_messages WHERE message_id = $1`, [messageId]))
    .rows[0] as unknown
const count = async (table: string, where: string, values: readonly unknown[]) =>
  z
    .object({ n: z.coerce.number() })
    .parse((await api.sql.query(`SELECT count(*) AS n FROM ${table} WHERE ${where}`, [...values])).rows[0]).n
const messagesOfKey = (key: string) =>
  count('orch.sms_messages', 'idempotency_hash = $1', [idempotencyHash(tenantId, accountId, key)])
const publishedOf = async (messageId: string) =>
  (await api.published()).filter(({ headers }) => headers['X-Correlation-ID'] === messageId)
const replyOf = (json: unknown) => SubmitReply.parse(json)

describe('a submit', () => {
  test('ORC-1.5 ORC-1.7 ORC-1.8 stores the row, publishes the event and answers 202', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const body = {
      ...goodBody,
      to: '+44 7700 900123',
      body: ` ${'\u20ac'.repeat(81)} `,
      metadata: { campaignId: 'camp-001' },
      callbackUrl: 'https://example.com/dlr',
      messageType: 'FLASH_SMS',
    }
    const answer = await api.send(body, { traceparent })
    const { messageId, enqueuedAt } = replyOf(answer.json)
    expect(answer.status).toBe(202)
    expect(answer.json).toEqual({
      messageId,
      status: 'QUEUED',
      segmentCount: 2,
      encoding: 'GSM7',
      enqueuedAt,
    })
    const expiresAt = new Date(Date.parse(enqueuedAt) + 48 * HOUR_MS)
    expect(await rowOf(messageId)).toMatchObject({
      message_id: messageId,
      tenant_id: tenantId,
      account_id: accountId,
      to_msisdn: '+447700900123',
      from_sender: 'GHASI',
      body: '\u20ac'.repeat(81),
      segment_count: 2,
      message_type: 'FLASH_SMS',
      encoding: 'GSM7',
      status: 'QUEUED',
      status_seq: 1,
      attempt_count: 0,
      idempotency_hash: null,
      callback_url: 'https://example.com/dlr',
      metadata: { campaignId: 'camp-001' },
      enqueued_at: new Date(enqueuedAt),
      status_updated_at: new Date(enqueuedAt),
      expires_at: expiresAt,
      processed_at: null,
    })
    const [published, ...more] = await publishedOf(messageId)
    expect(more).toEqual([])
    expect(published).toMatchObject({
      subject: `${api.subjectPrefix}sms.outbound.request`,
      headers: {
        'Nats-Msg-Id': messageId,
        'X-Tenant-Id': tenantId,
        'X-Correlation-ID': messageId,
        traceparent,
      },
    })
    expect(OutboundRequest.strict().parse(published?.event)).toMatchObject({
      eventId: requestEventId(messageId),
      occurredAt: enqueuedAt,
      to: '+447700900123',
      body: '\u20ac'.repeat(81),
      expiresAt: expiresAt.toISOString(),
    })
  })

  test('ORC-1.5 leaves no outbox row once NATS has acknowledged', async () => {
    const { messageId } = replyOf((await api.send(goodBody)).json)
    await until(async () => (await count('orch.outbox', 'event_id = $1', [requestEventId(messageId)])) === 0)
    expect(await publishedOf(messageId)).toHaveLength(1)
  })

  test('without a key is a new message every time', async () => {
    const [first, second] = [await api.send(goodBody), await api.send(goodBody)]
    expect(replyOf(first.json).messageId).not.toBe(replyOf(second.json).messageId)
  })

  test('PLT-8 a refused one stores and publishes nothing', async () => {
    const before = [await count('orch.sms_messages', 'true', []), (await api.published()).length]
    const key = { 'Idempotency-Key': randomUUID() }
    expect((await api.send({ ...goodBody, to: '12' }, key)).status).toBe(400)
    expect((await api.send(goodBody, { ...key, 'X-Tenant-Id': randomUUID() })).json).toMatchObject({
      code: 'TENANT_MISMATCH',
    })
    expect([await count('orch.sms_messages', 'true', []), (await api.published()).length]).toEqual(before)
    expect((await api.send(goodBody, key)).headers['idempotency-replayed']).toBeUndefined()
  })
})

const redisKey = (key: string): string => `orch:submit-idem:${idempotencyHash(tenantId, accountId, key)}`
/** The answer does not wait for Redis. */
const cached = (key: string): Promise<void> =>
  until(async () => (await api.redis.exists(redisKey(key))) === 1)
async function forget(key: string): Promise<void> {
  await cached(key)
  await api.redis.del(redisKey(key))
}

describe('an idempotency key', () => {
  test('ORC-1.4 ORC-1.6 gives the stored 202 again, and is kept in Redis', async () => {
    const key = randomUUID()
    const first = await api.send(goodBody, { 'Idempotency-Key': key })
    const second = await api.send({ ...goodBody, messageType: 'SMS' }, { 'Idempotency-Key': `"${key}"` })
    expect(second.status).toBe(202)
    expect(second.text).toBe(first.text)
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(await messagesOfKey(key)).toBe(1)
    expect(await publishedOf(replyOf(first.json).messageId)).toHaveLength(1)
    await cached(key)
    const ttl = await api.redis.ttl(redisKey(key))
    expect(ttl).toBeGreaterThan(172_700)
    expect(ttl).toBeLessThanOrEqual(172_800)
  })

  test('ORC-1.4 gives it from Postgres when Redis has forgotten it, byte for byte', async () => {
    const key = randomUUID()
    const first = await api.send(goodBody, { 'Idempotency-Key': key })
    await forget(key)
    const second = await api.send(goodBody, { 'Idempotency-Key': key })
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(second.text).toBe(first.text)
    expect(await messagesOfKey(key)).toBe(1)
  })

  test('DAT-9 MIG-2.2 is one row and one Redis entry, both for 48 hours', async () => {
    const key = randomUUID()
    const hash = idempotencyHash(tenantId, accountId, key)
    const reply = replyOf((await api.send(goodBody, { 'Idempotency-Key': key })).json)
    const keyEnds = new Date(Date.parse(reply.enqueuedAt) + 48 * HOUR_MS)
    const { rows } = await api.sql.query(`SELECT * FROM orch.idempotency_keys WHERE hash = $1`, [hash])
    expect(rows).toMatchObject([
      {
        tenant_id: tenantId,
        account_id: accountId,
        message_id: reply.messageId,
        response_body: reply,
        created_at: new Date(reply.enqueuedAt),
        expires_at: keyEnds,
      },
    ])
    await cached(key)
    const kept: unknown = JSON.parse((await api.redis.get(redisKey(key))) ?? 'null')
    expect(kept).toMatchObject({ reply, expiresAt: keyEnds.toISOString() })
  })

  test('ORC-1.9 two equal submits at once make one message, and both get its reply', async () => {
    for (let round = 0; round < 10; round++) {
      const key = randomUUID()
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => api.send(goodBody, { 'Idempotency-Key': key })),
      )
      expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
      expect(answers.map((answer) => answer.headers['idempotency-replayed']).filter(Boolean)).toHaveLength(3)
      expect(await messagesOfKey(key)).toBe(1)
    }
  })

  test('ORC-1.9 the second waits for a transaction that is still open, and takes over when it fails', async () => {
    const key = randomUUID()
    const rival = await api.sql.connect()
    await rival.query('BEGIN')
    await rival.query(
      `INSERT INTO orch.idempotency_keys VALUES ($1, $2, $3, gen_random_uuid(), 'x', '{}', now(), now() + '1 day')`,
      [idempotencyHash(tenantId, accountId, key), tenantId, accountId],
    )
    const waiting = api.send(goodBody, { 'Idempotency-Key': key })
    await until(
      async () =>
        (await count('pg_stat_activity', `wait_event_type = 'Lock' AND usename = 'orch_svc'`, [])) === 1,
    )
    await rival.query('ROLLBACK')
    rival.release()
    expect((await waiting).status).toBe(202)
    expect(await messagesOfKey(key)).toBe(1)
  })

  test('ORC-1.10 with another body is a conflict, from Redis and from Postgres', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    await api.send(goodBody, key)
    const other = { ...goodBody, body: 'Your code is 4712' }
    expect(await api.send(other, key)).toMatchObject({ status: 409, json: { code: 'IDEMPOTENCY_CONFLICT' } })
    await forget(key['Idempotency-Key'])
    expect(await api.send(other, key)).toMatchObject({ status: 409, json: { code: 'IDEMPOTENCY_CONFLICT' } })
    expect(await messagesOfKey(key['Idempotency-Key'])).toBe(1)
  })

  test('fault A4: of another account or another tenant is another key', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    const first = replyOf((await api.send(goodBody, key)).json)
    const otherAccount = await authorized(api, { account_id: randomUUID() })
    expect(replyOf((await api.send(goodBody, { ...key, ...otherAccount })).json).messageId).not.toBe(
      first.messageId,
    )
    const otherTenant = await authorized(api, { tenant_id: randomUUID() })
    for (const headers of [
      { ...key, ...otherTenant },
      { ...key, ...otherTenant },
    ])
      expect((await api.send({ ...goodBody, body: 'other' }, headers)).status).toBe(202)
    expect((await api.send(goodBody, key)).text).toContain(first.messageId)
  })

  test('ORC-1.9 100 equal submits at once make one message, also when Redis knows nothing', async () => {
    const key = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const answer = await api.send(goodBody, { 'Idempotency-Key': key })
        await api.redis.del(redisKey(key))
        return answer
      }),
    )
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(await messagesOfKey(key)).toBe(1)
    expect(await publishedOf(replyOf(answers[0]?.json).messageId)).toHaveLength(1)
  })

  test('ORC-1.9 an expired key and 50 submits at once make one new message', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    await api.send(goodBody, key)
    api.advance(48 * HOUR_MS)
    const answers = await Promise.all(Array.from({ length: 50 }, () => api.send(goodBody, key)))
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(await messagesOfKey(key['Idempotency-Key'])).toBe(2)
  })

  test('ORC-1.4 used in the last moment of a month is a replay in the next one', async () => {
    const now = new Date(api.now())
    const monthEndsMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
    api.advance(monthEndsMs - 1_000 - api.now())
    const key = { 'Idempotency-Key': randomUUID() }
    const first = await api.send(goodBody, key)
    api.advance(HOUR_MS)
    await forget(key['Idempotency-Key'])
    const second = await api.send(goodBody, key)
    expect([first.status, second.text]).toEqual([202, first.text])
    expect(await messagesOfKey(key['Idempotency-Key'])).toBe(1)
  })

  test('fault A7: repeated after its expiresAt gets the stored reply, from Redis and from Postgres', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    const body = { ...goodBody, expiresAt: new Date(api.now() + 60_000).toISOString() }
    const first = await api.send(body, key)
    api.advance(61_000)
    expect((await api.send(body, key)).text).toBe(first.text)
    await forget(key['Idempotency-Key'])
    expect((await api.send(body, key)).text).toBe(first.text)
    expect((await api.send(body)).status).toBe(400)
  })

  test('ORC-1.4 older than 48 hours counts as new and is replaced, also when two come at once', async () => {
    const key = { 'Idempotency-Key': randomUUID() }
    const first = replyOf((await api.send(goodBody, key)).json)
    api.advance(48 * HOUR_MS)
    const answers = await Promise.all([
      api.send(goodBody, key),
      api.send(goodBody, key),
      api.send(goodBody, key),
    ])
    const ids = new Set(answers.map((answer) => replyOf(answer.json).messageId))
    expect(ids.size).toBe(1)
    expect(ids.has(first.messageId)).toBe(false)
    expect(await messagesOfKey(key['Idempotency-Key'])).toBe(2)
  })
})

test('PLT-8 texts that Postgres cannot hold are refused before it sees them', async () => {
  for (const body of ['a\u0000b', 'a\ud83d'])
    expect((await api.send({ ...goodBody, body })).json).toMatchObject({ code: 'INVALID_PAYLOAD' })
  expect((await api.send({ ...goodBody, metadata: { k: '\u0000' } })).json).toMatchObject({
    code: 'INVALID_PAYLOAD',
  })
})

test('row-level security: the API role sees no row and stores none without its tenant', async () => {
  const svc = new Pool({ connectionString: api.urlAs('orch_svc'), max: 1 })
  const insert = `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload)
    VALUES (gen_random_uuid(), gen_random_uuid(), 's', 'm', '{}', '{}')`
  try {
    expect((await svc.query('SELECT 1 FROM orch.sms_messages')).rowCount).toBe(0)
    await expect(svc.query(insert)).rejects.toThrow(/row-level security/)
  } finally {
    await svc.end()
  }
})

test('ORC-8.3 DLR-011.2 metrics count what happened, and neither they nor the log hold numbers or texts', async () => {
  const { text } = await api.call('/metrics')
  expect(text).toMatch(/orch_submit_total\{result="accepted"\} [1-9]/)
  expect(text).toMatch(/orch_submit_total\{result="replay"\} [1-9]/)
  expect(text).toMatch(/orch_submit_total\{result="rejected"\} [1-9]/)
  expect(text).toMatch(/orch_idempotency_cache_hit_total [1-9]/)
  expect(text).toMatch(/orch_submit_latency_seconds_bucket\{le="0.2"\} [1-9]/)
  const output = text + api.logged.join('')
  expect(api.logged.join('')).toContain('"event":"orch.submitted"')
  expect(output).not.toContain('7700900123')
  expect(output).not.toContain(goodBody.body)
  expect(output).not.toContain('GHASI')
})
