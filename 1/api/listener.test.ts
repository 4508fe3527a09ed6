import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { exchange, rawCall } from './testing/call.suite.ts'
import { fakeApp, goodBody, goodHeaders, reply, type FakeApp, type Fakes } from './testing/fake-app.suite.ts'
import { until } from './testing/until.suite.ts'
import { listen, type Listener } from './listener.ts'

let app: FakeApp | undefined
let listener: Listener | undefined
afterEach(async () => {
  await app?.close()
  await listener?.close()
  app = undefined
  listener = undefined
})
const start = async (fakes: Fakes = {}) => (app = await fakeApp(fakes))

const HEAD = 'Host: x\r\n'

describe('fault A11: what the HTTP server itself refuses is a problem', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['an unknown version', 'GET / HTTP/9.9\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['a header without a colon', `GET / HTTP/1.1\r\n${HEAD}nonsense\r\n\r\n`, 400, 'MALFORMED_REQUEST'],
    [
      'headers over 16 KiB',
      `GET / HTTP/1.1\r\n${HEAD}X: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    [
      'an unknown Expect',
      `POST / HTTP/1.1\r\n${HEAD}Expect: tea\r\nConnection: close\r\n\r\n`,
      417,
      'EXPECTATION_FAILED',
    ],
    ['CONNECT', `CONNECT example.com:443 HTTP/1.1\r\n${HEAD}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
    ['no Host', `GET / HTTP/1.1\r\nConnection: close\r\n\r\n`, 400, 'INVALID_HEADER'],
    ['two Hosts', `GET / HTTP/1.1\r\n${HEAD}${HEAD}Connection: close\r\n\r\n`, 400, 'INVALID_HEADER'],
    [
      'a broken chunk',
      `POST /v1/sms/send HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      400,
      'MALFORMED_REQUEST',
    ],
  ])('%s', async (_, bytes, status, code) => {
    const answer = await rawCall((await start()).url, bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer.toLowerCase()).toContain('content-type: application/problem+json')
    const body: unknown = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
    expect(body).toMatchObject({ status, code, instance: 'urn:uuid:c0ffee00-0000-4000-8000-000000000000' })
  })

  test('nonsense behind a whole request takes nothing away from its answer', async () => {
    const gate: (() => void)[] = []
    await start({
      outcome: () => new Promise((resolve) => void gate.push(() => resolve({ kind: 'accepted', reply }))),
    })
    const body = JSON.stringify(goodBody)
    const lines = Object.entries({ Host: 'x', 'Content-Length': body.length, ...goodHeaders })
    const request = `POST /v1/sms/send HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n${body}`
    const answer = rawCall(app?.url ?? '', `${request}nonsense\r\n\r\n`)
    await until(() => gate.length === 1)
    gate[0]?.()
    expect(await answer).toMatch(/^HTTP\/1\.1 202 [\s\S]*QUEUED"?[^H]*$/)
  })
})

test('fault A11: slow headers are cut soon after their limit, not at the half minute of Node', async () => {
  listener = await listen({
    handler: async () => {},
    host: '127.0.0.1',
    port: 0,
    graceMs: 0,
    headersMsMax: 500,
    newId: () => '',
  })
  const begunMs = performance.now()
  const answer = await rawCall(`http://127.0.0.1:${listener.port}`, 'POST /v1/sms/send HTTP/1.1\r\nHost:')
  expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(answer).toContain('"code":"REQUEST_TIMEOUT"')
  expect(performance.now() - begunMs).toBeLessThan(20_000)
}, 60_000)

test('fault A9: an idle connection outlives those of the gateway', async () => {
  const answer = await exchange((await start()).url, { headers: { Connection: 'keep-alive' } })
  expect(answer.headers['keep-alive']).toBe('timeout=75')
})

test('fault A9: a stopping process serves on while readiness is red, and refuses nothing that it took', async () => {
  const open: (() => void)[] = []
  listener = await listen({
    handler: (_, response) =>
      new Promise((resolve) => void open.push(() => resolve(void response.end('done')))),
    host: '127.0.0.1',
    port: 0,
    graceMs: 300,
    newId: () => '',
  })
  const { port } = listener
  const url = `http://127.0.0.1:${port}/`
  const before = exchange(url)
  await until(() => open.length === 1)
  const closed = listener.close()
  expect(listener.draining).toBe(true)
  const during = exchange(url)
  await until(() => open.length === 2)
  await until(() => isRefused(port))
  for (const answer of open) answer()
  expect((await Promise.all([before, during])).map(({ text }) => text)).toEqual(['done', 'done'])
  expect((await during).headers['connection']).toBe('close')
  await closed
})

const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })
