import { afterEach, describe, expect, test } from 'vitest'
import {
  accountId,
  claims,
  fakeApp,
  goodBody,
  goodHeaders,
  reply,
  requestId,
  tenantId,
  type FakeApp,
  type Fakes,
} from '../testing/fake-app.suite.ts'
import { createLogger } from '../../streams/platform/logger.ts'
import { DependencyUnavailable, PROBLEMS, type ProblemCode } from '../problem.ts'

let app: FakeApp
const start = async (fakes: Fakes = {}) => {
  app = await fakeApp(fakes)
  return app
}
afterEach(() => app.close())

const problem = (code: ProblemCode, status: number, errors?: unknown) => ({
  type: `https://docs.ghasi.io/problems/${code.toLowerCase().replaceAll('_', '-')}`,
  title: PROBLEMS[code].title,
  status,
  detail: PROBLEMS[code].detail,
  instance: `urn:uuid:${requestId}`,
  code,
  ...(errors !== undefined && { errors }),
})

const keyAuth = {
  'X-Api-Key-Id': 'key-1',
  'X-Tenant-Id': tenantId,
  'X-Account-Id': accountId,
  'X-Request-Id': requestId,
  'Content-Type': 'application/json',
}

describe('POST /v1/sms/send', () => {
  test('ORC-1.8 answers 202 with the five fields', async () => {
    const answer = await (await start()).send(goodBody)
    expect(answer.status).toBe(202)
    expect(answer.json).toEqual(reply)
    expect(answer.headers['content-type']).toContain('application/json')
    expect(answer.headers['idempotency-replayed']).toBeUndefined()
  })

  test('ORC-1.4 says when the answer is a replay', async () => {
    await start({ outcome: async () => ({ kind: 'replayed', reply }) })
    const answer = await app.send(goodBody, { ...goodHeaders, 'Idempotency-Key': '"order-42"' })
    expect(answer.status).toBe(202)
    expect(answer.headers['idempotency-replayed']).toBe('true')
    expect(app.submitted[0]?.items).toMatchObject([{ idempotencyKey: 'order-42' }])
  })

  test('ORC-1.1 hands tenant and account of the token to the use case', async () => {
    await (await start()).send(goodBody)
    expect(app.submitted[0]).toMatchObject({ identity: { tenantId, accountId } })
  })

  test('ORC-1.1 fault A3: the account comes from the token alone', async () => {
    await start({ tokens: { good: { ...claims(), accountId: undefined }, other: claims() } })
    const other = '0d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'
    const headers = { ...goodHeaders, 'X-Account-Id': other }
    expect(await app.send(goodBody, headers)).toMatchObject({ status: 403, json: problem('FORBIDDEN', 403) })
    expect((await app.send(goodBody, { ...headers, Authorization: 'Bearer other' })).status).toBe(202)
    expect(app.submitted).toMatchObject([{ identity: { accountId } }])
  })

  test('hands on the trace context, and makes one when there is none', async () => {
    await start()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await app.send(goodBody, { ...goodHeaders, traceparent, tracestate: 'a=b' })
    expect(app.submitted[0]?.trace).toEqual({ traceparent, tracestate: 'a=b' })
    await app.send(goodBody, { ...goodHeaders, traceparent: 'nonsense' })
    expect(app.submitted[1]?.trace['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  })
})

describe('PLT-8 every refusal is a problem', () => {
  test('INVALID_PAYLOAD for what is not JSON, and nothing is quoted', async () => {
    await start()
    for (const body of ['', '{"to":', 'hello 447700900123', Buffer.from([0x7b, 0xff, 0x7d])]) {
      const answer = await app.send(body)
      expect(answer.headers['content-type']).toContain('application/problem+json')
      expect(answer.json).toEqual(
        problem('INVALID_PAYLOAD', 400, [{ path: '', message: 'must be JSON in UTF-8' }]),
      )
    }
    expect(app.submitted).toEqual([])
  })

  test('INVALID_PAYLOAD for wrong types', async () => {
    const answer = await (await start()).send({ to: 5, from: 5, body: 5 })
    expect(answer.json).toEqual(
      problem('INVALID_PAYLOAD', 400, [
        { path: 'to', message: 'must be a string' },
        { path: 'from', message: 'must be a string' },
        { path: 'body', message: 'must be a string' },
      ]),
    )
  })

  test('INVALID_DESTINATION for a bad number', async () => {
    const answer = await (await start()).send({ ...goodBody, to: '+4477' })
    expect(answer.json).toEqual({
      ...problem('INVALID_DESTINATION', 400, [{ path: 'to', message: 'not a valid number' }]),
      title: 'Invalid destination',
      detail: 'to is not a valid number',
    })
  })

  test('SMS_BODY_TOO_LONG for 1,601 characters', async () => {
    const answer = await (await start()).send({ ...goodBody, body: 'x'.repeat(1601) })
    expect(answer.json).toMatchObject(problem('SMS_BODY_TOO_LONG', 400))
  })

  test.each(['X-Tenant-Id', 'X-Account-Id', 'Idempotency-Key', 'Authorization'])(
    'INVALID_HEADER for a second %s',
    async (name) => {
      const given = { ...goodHeaders, 'X-Account-Id': accountId, 'Idempotency-Key': 'k' }
      const value = new Map(Object.entries(given)).get(name) ?? ''
      const answer = await (await start()).send(goodBody, { ...given, [name]: [value, value] })
      expect(answer.json).toEqual(
        problem('INVALID_HEADER', 400, [{ path: name, message: 'must be given once' }]),
      )
    },
  )

  test('INVALID_HEADER for a malformed key or tenant', async () => {
    await start()
    const malformed: Record<string, string>[] = [
      { 'Idempotency-Key': '"open' },
      { 'Idempotency-Key': '' },
      { 'Idempotency-Key': 'x'.repeat(256) },
      { 'X-Tenant-Id': `${tenantId}, ${tenantId}` },
    ]
    for (const header of malformed) {
      const answer = await app.send(goodBody, { ...goodHeaders, ...header })
      expect(answer.json).toMatchObject(problem('INVALID_HEADER', 400))
    }
  })

  test('UNAUTHENTICATED without credentials, with a bad token, or with headers that anybody can write (fault A1)', async () => {
    await start()
    const { Authorization, ...anonymous } = goodHeaders
    expect(Authorization).toBeDefined()
    const refused: Record<string, string>[] = [
      anonymous,
      { ...goodHeaders, Authorization: 'Bearer bad' },
      { ...goodHeaders, Authorization: 'Basic good' },
      { ...goodHeaders, Authorization: '' },
      keyAuth,
    ]
    for (const headers of refused) {
      const answer = await app.send(goodBody, headers)
      expect(answer.json).toEqual(problem('UNAUTHENTICATED', 401))
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
  })

  test('MIG-2.4 TENANT_MISMATCH for another or no tenant header', async () => {
    await start()
    const { 'X-Tenant-Id': tenant, ...none } = goodHeaders
    expect((await app.send(goodBody, none)).json).toEqual(problem('TENANT_MISMATCH', 403))
    const wrong = { ...goodHeaders, 'X-Tenant-Id': tenant.replace('7', '8') }
    expect((await app.send(goodBody, wrong)).json).toEqual(problem('TENANT_MISMATCH', 403))
  })

  test('FORBIDDEN without the scope', async () => {
    await start({ tokens: { good: claims(['sms:read']) } })
    expect((await app.send(goodBody)).json).toEqual(problem('FORBIDDEN', 403))
  })

  test('REQUEST_TOO_LARGE over 64 KB, whether the length is announced or not', async () => {
    await start()
    const tooMuch = `{"to":"${'x'.repeat(64 * 1024)}"}`
    expect((await app.send(tooMuch)).json).toEqual(problem('REQUEST_TOO_LARGE', 413))
    const chunked = await app.call('/v1/sms/send', {
      method: 'POST',
      headers: { ...goodHeaders, 'Transfer-Encoding': 'chunked' },
      body: tooMuch,
    })
    expect(chunked.json).toEqual(problem('REQUEST_TOO_LARGE', 413))
    expect((await app.send(JSON.stringify(goodBody).padEnd(64 * 1024))).status).toBe(202)
  })

  test.each([
    'application/json',
    'Application/JSON; Charset=UTF-8',
    'application/json;charset=utf-8',
    'application/json; charset="utf-8"',
    'application/json ; charset = "UTF-8" ',
    'application/json; profile="x"; charset=utf-8',
    'application/json;',
  ])('fault A11: the media type %s is taken', async (type) => {
    expect((await (await start()).send(goodBody, { ...goodHeaders, 'Content-Type': type })).status).toBe(202)
  })

  test.each([
    '',
    'text/plain',
    'application/jsonp',
    'application/problem+json',
    'application/json; charset=latin1',
    'application/json; charset="latin1"',
    'application/json; profile=x; charset=utf-16',
    'application/json; charset=utf-8; charset=latin1',
    'application/json; charset="utf-8',
    'application/json, text/plain',
  ])('UNSUPPORTED_MEDIA_TYPE for %j', async (type) => {
    const answer = await (await start()).send(goodBody, { ...goodHeaders, 'Content-Type': type })
    expect(answer.json).toEqual(problem('UNSUPPORTED_MEDIA_TYPE', 415))
  })

  test('UNSUPPORTED_MEDIA_TYPE without a type, and for compression', async () => {
    await start()
    const { 'Content-Type': type, ...untyped } = goodHeaders
    expect((await app.send(goodBody, untyped)).json).toEqual(problem('UNSUPPORTED_MEDIA_TYPE', 415))
    const zipped = { ...untyped, 'Content-Type': type, 'Content-Encoding': 'gzip' }
    expect((await app.send(goodBody, zipped)).json).toEqual(problem('UNSUPPORTED_MEDIA_TYPE', 415))
  })

  test('fault A7: an expiry that has passed is for the use case to judge', async () => {
    const errors = [{ path: 'expiresAt', message: 'must be in the future' }]
    await start({ outcome: async () => ({ kind: 'untimely', errors }) })
    const answer = await app.send({ ...goodBody, expiresAt: '2026-04-18T10:23:39.000Z' })
    expect(answer.json).toEqual(problem('INVALID_PAYLOAD', 400, errors))
    expect(app.submitted).toHaveLength(1)
  })

  test('IDEMPOTENCY_CONFLICT from the use case', async () => {
    await start({ outcome: async () => ({ kind: 'conflict' }) })
    expect((await app.send(goodBody)).json).toEqual(problem('IDEMPOTENCY_CONFLICT', 409))
  })

  test('DEPENDENCY_UNAVAILABLE with Retry-After', async () => {
    await start({ outcome: () => Promise.reject(new DependencyUnavailable('postgres', new Error('gone'))) })
    const answer = await app.send(goodBody)
    expect(answer.json).toEqual(problem('DEPENDENCY_UNAVAILABLE', 503))
    expect(answer.headers['retry-after']).toBe('5')
  })

  test('INTERNAL for a defect, without its text', async () => {
    await start({ outcome: () => Promise.reject(new Error('SELECT secret FROM orch')) })
    const answer = await app.send(goodBody)
    expect(answer.json).toEqual(problem('INTERNAL', 500))
    expect(answer.text).not.toContain('secret')
  })

  test('NOT_FOUND and METHOD_NOT_ALLOWED for unknown paths and methods', async () => {
    await start()
    const headers = { 'X-Request-Id': requestId }
    expect((await app.call('/v1/nothing', { headers })).json).toEqual(problem('NOT_FOUND', 404))
    const wrong = await app.call('/v1/sms/send', { method: 'DELETE', headers })
    expect(wrong.json).toEqual(problem('METHOD_NOT_ALLOWED', 405))
    expect(wrong.headers['allow']).toContain('POST')
    expect((await app.call('/v1/sms/send', { method: 'PROPFIND', headers })).status).toBe(405)
  })

  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'])(
    'fault A11: %s on a path that only takes POST is no lookup of a message',
    async (method) => {
      const answer = await (await start()).call('/v1/sms/send', { method, headers: goodHeaders })
      expect(answer.status).toBe(405)
      expect(answer.headers['allow']).toContain('POST')
    },
  )

  test.each([
    '/V1/SMS/SEND',
    '/v1/sms/Send',
    '/v1/sms/send/',
    '//v1/sms/send',
    '/v1/sms/send%20',
    '/v1//sms/send',
  ])('fault A11: %s is another path', async (path) => {
    const answer = await (await start()).call(path, {
      method: 'POST',
      headers: goodHeaders,
      body: JSON.stringify(goodBody),
    })
    expect([404, 405]).toContain(answer.status)
    expect(app.submitted).toEqual([])
  })

  test('fault A13: a defect of Postgres is logged with its SQLSTATE, and not with its text', async () => {
    const lines: string[] = []
    const logger = createLogger({
      service: 'api',
      level: 'info',
      destination: { write: (line) => lines.push(line) },
    })
    const defect = Object.assign(new Error('value 4711 is wrong'), { code: '22P02' })
    await start({ app: { logger }, outcome: () => Promise.reject(defect) })
    expect((await app.send(goodBody)).status).toBe(500)
    expect(lines.join('')).toContain('22P02')
    expect(lines.join('')).not.toContain('4711')
  })

  test('a request without an id gets one', async () => {
    const answer = await (await start()).call('/v1/nothing')
    expect(answer.json).toMatchObject({ instance: 'urn:uuid:c0ffee00-0000-4000-8000-000000000000' })
  })

  test('MIG-3.0 SUBMIT_API_DISABLED on all client routes while the rest works', async () => {
    await start({ app: { flags: () => ({ enabled: false, shadow: false }) } })
    const headers = { 'X-Request-Id': requestId }
    const disabled = problem('SUBMIT_API_DISABLED', 503)
    expect((await app.send(goodBody)).json).toEqual(disabled)
    expect((await app.call(`/v1/sms/${reply.messageId}`, { headers })).json).toEqual(disabled)
    expect((await app.call(`/v1/sms/${reply.messageId}/segments`, { headers })).json).toEqual(disabled)
    expect((await app.call('/health/live')).status).toBe(200)
    expect((await app.call('/metrics')).status).toBe(200)
  })
})

test('ORC-8.3 refusals and answers are counted, and latency only for a 202', async () => {
  await start()
  await app.send(goodBody)
  await app.send({})
  const text = (await app.call('/metrics')).text
  expect(text).toContain('orch_submit_total{result="rejected"} 1')
  expect(text).toContain('orch_http_responses_total{route="send",status="202"} 1')
  expect(text).toContain('orch_http_responses_total{route="send",status="400"} 1')
  expect(text).toContain('orch_submit_latency_seconds_count 1')
  expect(text).toContain('orch_submit_inflight 0')
})
