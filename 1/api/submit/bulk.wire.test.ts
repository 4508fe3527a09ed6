import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { authorized, goodBody, startRealApi, type RealApi } from '../testing/real-api.suite.ts'
import { until } from '../testing/until.suite.ts'

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
})
afterAll(() => api.close())

const Bulk = z.object({
  results: z.array(z.object({ status: z.string(), messageId: z.string().optional() })),
  accepted: z.number(),
  rejected: z.number(),
})

const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
  api.call(path, {
    method: 'POST',
    headers: { ...(await authorized(api)), 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
const texts = (count: number, mark: string) =>
  Array.from({ length: count }, (_, index) => ({ ...goodBody, body: `${mark} ${index}` }))
const Rows = z.array(z.object({ message_id: z.string(), xmin: z.string() }))
const rowsLike = async (mark: string) => {
  const text = 'SELECT message_id, xmin FROM orch.sms_messages WHERE body LIKE $1'
  return Rows.parse((await api.sql.query(text, [`${mark} %`])).rows)
}

describe('POST /v1/sms/bulk', () => {
  test('ORC-2.1 500 messages are stored in one transaction and all published', async () => {
    const mark = randomUUID()
    const answer = await post('/v1/sms/bulk', { messages: texts(500, mark) })
    const { results, accepted } = Bulk.parse(answer.json)
    expect([answer.status, accepted]).toEqual([202, 500])
    const rows = await rowsLike(mark)
    expect(rows).toHaveLength(500)
    expect(new Set(rows.map(({ xmin }) => xmin)).size).toBe(1)
    const ids = new Set(results.map(({ messageId }) => messageId))
    await until(async () => {
      const published = await api.published()
      return published.filter(({ headers }) => ids.has(headers['X-Correlation-ID'])).length === 500
    })
    await until(async () => (await api.sql.query('SELECT 1 FROM orch.outbox')).rowCount === 0)
  })

  test('ORC-2.3 the same bulk again is a replay; a changed element conflicts alone', async () => {
    const mark = randomUUID()
    const key = { 'Idempotency-Key': randomUUID() }
    const messages = texts(5, mark)
    const first = await post('/v1/sms/bulk', { messages }, key)
    const second = await post('/v1/sms/bulk', { messages }, key)
    expect(second.text).toBe(first.text)
    expect(second.headers['idempotency-replayed']).toBe('true')
    const changed = messages.with(2, { ...goodBody, body: 'other' })
    const third = Bulk.parse((await post('/v1/sms/bulk', { messages: changed }, key)).json)
    expect(third.results.map(({ status }) => status)).toEqual([
      'QUEUED',
      'QUEUED',
      'REJECTED',
      'QUEUED',
      'QUEUED',
    ])
    expect(await rowsLike(mark)).toHaveLength(5)
  })

  test('ORC-2.3 two equal bulks at once make each message once, in whatever order they come', async () => {
    const mark = randomUUID()
    const key = { 'Idempotency-Key': randomUUID() }
    const messages = texts(100, mark)
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => post('/v1/sms/bulk', { messages }, key)),
    )
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202, 202])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(await rowsLike(mark)).toHaveLength(100)
  })
})

describe('GET /v1/sms', () => {
  const Page = z.object({
    messages: z.array(z.object({ messageId: z.string() })),
    nextCursor: z.string().nullable(),
  })
  const account = randomUUID()
  const get = async (query: string, as = account) =>
    Page.parse(
      (await api.call(`/v1/sms?${query}`, { headers: await authorized(api, { account_id: as }) })).json,
    )

  test('pages through what the account has, newest first, though more arrives meanwhile', async () => {
    const own = { ...(await authorized(api, { account_id: account })), 'Content-Type': 'application/json' }
    const send = (messages: unknown) => post('/v1/sms/bulk', { messages }, own)
    const sent = Bulk.parse(
      (await send(texts(25, 'old').map((one) => ({ ...one, metadata: { run: 'a' } })))).json,
    )
    const first = await get('limit=10')
    api.advance(1_000)
    await send(texts(5, 'new'))
    const second = await get(`limit=10&cursor=${first.nextCursor}`)
    const third = await get(`limit=10&cursor=${second.nextCursor}`)
    const listed = [first, second, third].flatMap(({ messages }) =>
      messages.map(({ messageId }) => messageId),
    )
    expect(new Set(listed)).toEqual(new Set(sent.results.map(({ messageId }) => messageId)))
    expect(listed).toHaveLength(25)
    expect(third.nextCursor).toBeNull()
    expect((await get('')).messages).toHaveLength(30)
    expect((await get('metadata.run=a&limit=200')).messages).toHaveLength(25)
    expect((await get('status=SENT')).messages).toEqual([])
    expect((await get('to=%2B447700900123&from=GHASI')).messages).toHaveLength(30)
    expect((await get('', randomUUID())).messages).toEqual([])
  })
})
