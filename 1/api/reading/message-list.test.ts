import { afterEach, describe, expect, test } from 'vitest'
import {
  accountId,
  claims,
  fakeApp,
  goodHeaders,
  messageId,
  tenantId,
  type FakeApp,
} from '../testing/fake-app.suite.ts'
import { cursorOf, parseQuery, type ListQuery } from './message-list.ts'

const parse = (query: string) => parseQuery(new URLSearchParams(query))
const place = { enqueuedAt: '2026-04-18T10:23:40.000Z', messageId }
const cursor = Buffer.from(JSON.stringify([place.enqueuedAt, place.messageId])).toString('base64url')

describe('the filters of a list', () => {
  test('may all be absent', () => {
    expect(parse('')).toEqual({ ok: true, query: { limit: 50, metadata: {} } })
  })

  test('are normalised as a submit is', () => {
    const query = `status=SENT&to=+44 7700 900123&from=GHASI&since=2026-04-18T12:00:00%2B02:00&limit=200&metadata.campaignId=a&metadata.x=b&cursor=${cursor}`
    expect(parse(query)).toEqual({
      ok: true,
      query: {
        status: 'SENT',
        to: '+447700900123',
        from: 'GHASI',
        since: '2026-04-18T10:00:00.000Z',
        limit: 200,
        metadata: { campaignId: 'a', x: 'b' },
        after: place,
      },
    })
  })

  test.each([
    ['status=DONE', 'status'],
    ['to=12', 'to'],
    ['from=012345678901234567890', 'from'],
    ['since=yesterday', 'since'],
    ['until=2026', 'until'],
    ['from=%00', 'from'],
    ['metadata.a=%00', 'metadata'],
    ['metadata.%00=a', 'metadata'],
    ['since=0000-01-01T00:00:00Z', 'since'],
    ['until=9999-12-31T23:59:59-23:00', 'until'],
    [`cursor=${Buffer.from(`["0000-04-18T10:23:40.000Z","${messageId}"]`).toString('base64url')}`, 'cursor'],
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=many', 'limit'],
    ['cursor=x', 'cursor'],
    [`cursor=${Buffer.from('["2026-04-18T10:23:40.000Z","x"]').toString('base64url')}`, 'cursor'],
    ['colour=red', ''],
    ['status=SENT&status=FAILED', ''],
    ['metadata.a=1&metadata.a=2', ''],
    ['metadata.a=1&metadata.b=1&metadata.c=1&metadata.d=1&metadata.e=1&metadata.f=1', 'metadata'],
  ])('%s is refused at %j, without a word of what was given', (query, path) => {
    const parsed = parse(query)
    expect(parsed).toMatchObject({ ok: false, errors: [{ path }] })
    expect(JSON.stringify(parsed)).not.toMatch(/DONE|012345|yesterday|colour|many/)
  })

  test('a cursor leads back to its place', () => {
    expect(parse(`cursor=${cursorOf(place)}`)).toMatchObject({ ok: true, query: { after: place } })
  })
})

describe('GET /v1/sms', () => {
  let app: FakeApp
  afterEach(() => app.close())

  test('asks for the own account only, and needs sms:read', async () => {
    const asked: [unknown, ListQuery][] = []
    const list = async (reader: unknown, query: ListQuery) => {
      asked.push([reader, query])
      return { messages: [], nextCursor: null }
    }
    app = await fakeApp({ reader: { list }, tokens: { good: claims(), sender: claims(['sms:send']) } })
    const answer = await app.call('/v1/sms?status=SENT', { headers: goodHeaders })
    expect(answer).toMatchObject({ status: 200, json: { messages: [], nextCursor: null } })
    expect(asked).toMatchObject([[{ tenantId, accountId }, { status: 'SENT' }]])
    const sender = { ...goodHeaders, Authorization: 'Bearer sender' }
    expect((await app.call('/v1/sms', { headers: sender })).status).toBe(403)
    expect((await app.call('/v1/sms')).status).toBe(401)
    expect((await app.call('/v1/sms?limit=0', { headers: goodHeaders })).json).toMatchObject({
      code: 'INVALID_PAYLOAD',
    })
  })
})
