import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { readApiConfig } from '../config.ts'
import { signedByGateway } from '../middleware/gateway-proof.ts'
import { rawCall } from '../testing/call.suite.ts'
import {
  accountId,
  fakeApp,
  goodBody,
  goodHeaders,
  nowMs,
  tenantId,
  type FakeApp,
  type Fakes,
} from '../testing/fake-app.suite.ts'

let app: FakeApp
const start = async (fakes: Fakes = {}) => (app = await fakeApp(fakes))
afterEach(() => app.close())

const PATH = '/v1/sms/send'
const secret = 's'.repeat(32)
const withGateway: Fakes = { gateway: signedByGateway(['o'.repeat(32), secret], () => nowMs) }
const keyAuth = {
  'X-Api-Key-Id': 'key-1',
  'X-Tenant-Id': tenantId,
  'X-Account-Id': accountId,
  'Content-Type': 'application/json',
}

/** What Kong's plugin does (ops/kong). */
function signature(changes: { atMs?: number; path?: string; tenant?: string; secret?: string } = {}): string {
  const { atMs = nowMs, path = PATH, tenant = tenantId } = changes
  const seconds = Math.floor(atMs / 1000)
  const text = ['POST', path, tenant, accountId, 'key-1', seconds].join('\n')
  return `t=${seconds},v1=${createHmac('sha256', changes.secret ?? secret)
    .update(text)
    .digest('hex')}`
}

describe('fault A1: headers that name a caller', () => {
  test('are ignored in the mode jwt, with or without a signature', async () => {
    await start()
    expect((await app.send(goodBody, keyAuth)).status).toBe(401)
    expect((await app.send(goodBody, { ...keyAuth, 'X-Gateway-Signature': signature() })).status).toBe(401)
    expect((await app.call(`/v1/sms/${tenantId}`, { headers: keyAuth })).status).toBe(401)
  })

  test("ORC-1.1 count with the gateway's proof", async () => {
    await start(withGateway)
    expect((await app.send(goodBody, { ...keyAuth, 'X-Gateway-Signature': signature() })).status).toBe(202)
    expect(app.submitted[0]?.identity).toMatchObject({ tenantId, accountId })
  })

  test.each<[string, Record<string, string | string[]>]>([
    ['without a signature', {}],
    ['with the signature of another path', { 'X-Gateway-Signature': signature({ path: '/v1/sms/bulk' }) }],
    ['with the signature of another tenant', { 'X-Gateway-Signature': signature({ tenant: accountId }) }],
    ['with another secret', { 'X-Gateway-Signature': signature({ secret: 'x'.repeat(32) }) }],
    ['with a signature that is too old', { 'X-Gateway-Signature': signature({ atMs: nowMs - 61_000 }) }],
    ['with a signature of the future', { 'X-Gateway-Signature': signature({ atMs: nowMs + 61_000 }) }],
    ['with a signature that is none', { 'X-Gateway-Signature': 't=1,v1=zz' }],
    ['let through anonymously', { 'X-Gateway-Signature': signature(), 'X-Anonymous-Consumer': 'true' }],
  ])('are refused %s', async (_, headers) => {
    await start(withGateway)
    expect((await app.send(goodBody, { ...keyAuth, ...headers })).status).toBe(401)
    expect(app.submitted).toEqual([])
  })

  test('do nothing beside a token', async () => {
    await start(withGateway)
    const headers = { ...keyAuth, Authorization: 'Bearer bad', 'X-Gateway-Signature': signature() }
    expect((await app.send(goodBody, headers)).status).toBe(401)
  })

  test('cannot be switched on for everybody by mistake', async () => {
    await start()
    const env = { DATABASE_URL: 'x', RELAY_DATABASE_URL: 'x', AUTH_MODE: 'jwt+gateway' }
    expect(() => readApiConfig({ ...env, HOST: '0.0.0.0' })).toThrow(/GATEWAY_SECRET/)
    expect(() => readApiConfig({ ...env, HOST: '0.0.0.0', GATEWAY_SECRET: 'short' })).toThrow(
      /GATEWAY_SECRET/,
    )
    expect(readApiConfig({ ...env, HOST: '0.0.0.0', GATEWAY_SECRET: secret }).AUTH_MODE).toBe('jwt+gateway')
    expect(readApiConfig({ ...env, HOST: '127.0.0.1' }).AUTH_MODE).toBe('jwt+gateway')
    expect(readApiConfig({ ...env, AUTH_MODE: undefined }).AUTH_MODE).toBe('jwt')
    expect(() => readApiConfig({ ...env, JWT_ALGORITHMS: 'RS256,HS256' })).toThrow(/JWT_ALGORITHMS/)
  })
})

const filler = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, '']))

describe('fault A2: no header is dropped before it is checked', () => {
  test('a forged tenant does not win by 1,500 headers between it and the other', async () => {
    await start()
    const { 'X-Tenant-Id': own, ...others } = goodHeaders
    const headers = { 'x-tenant-id': own, ...others, ...filler(1_500), 'X-Tenant-Id': accountId }
    const answer = await app.send(goodBody, headers)
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ code: 'INVALID_HEADER' })
    expect(app.submitted).toEqual([])
  })

  test('100 headers are taken, 101 are not', async () => {
    await start()
    // Host, Content-Length and Connection come with every one.
    const own = Object.keys(goodHeaders).length + 3
    expect((await app.send(goodBody, { ...goodHeaders, ...filler(100 - own) })).status).toBe(202)
    expect((await app.send(goodBody, { ...goodHeaders, ...filler(101 - own) })).status).toBe(400)
  })

  test.each(['X-Api-Key-Id', 'X-Gateway-Signature', 'X-Anonymous-Consumer'])(
    'a second %s is refused',
    async (name) => {
      await start(withGateway)
      const signed = { ...keyAuth, 'X-Gateway-Signature': signature() }
      const answer = await app.send(goodBody, { ...signed, [name]: ['a', 'b'] })
      expect(answer.json).toMatchObject({ code: 'INVALID_HEADER' })
    },
  )

  const good = Object.entries(goodHeaders).map(([name, value]) => `${name}: ${value}`)
  const body = JSON.stringify(goodBody)
  const length = `Content-Length: ${body.length}`

  test.each<[string, readonly string[]]>([
    ['two lengths', [...good, length, 'Content-Length: 0']],
    ['a length and a transfer coding', [...good, length, 'Transfer-Encoding: chunked']],
    ['a transfer coding that is not known', [...good, 'Transfer-Encoding: chunked, identity']],
    ['a blank before the colon', [...good, length, `X-Tenant-Id : ${tenantId}`]],
    ['a folded line', [...good, length, 'X-Other: a', ` X-Tenant-Id: ${tenantId}`]],
    ['a line feed alone', [...good, length, `X-Other: a\nX-Tenant-Id: ${tenantId}`]],
    ['NUL in a value', [...good, length, 'X-Other: a\0b']],
  ])('a request with %s is smuggled and gets 400', async (_, headers) => {
    await start()
    const answer = await rawCall(
      app.url,
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\n${headers.join('\r\n')}\r\n\r\n${body}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(app.submitted).toEqual([])
  })
})
