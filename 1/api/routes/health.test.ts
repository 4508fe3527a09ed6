import { afterEach, expect, test } from 'vitest'
import { fakeApp, type FakeApp } from '../testing/fake-app.suite.ts'

let app: FakeApp
afterEach(() => app.close())

test('live answers on both paths without credentials', async () => {
  app = await fakeApp()
  for (const path of ['/health/live', '/health'])
    expect(await app.call(path)).toMatchObject({ status: 200, json: { status: 'ok' } })
})

test('ready says what is up, and 503 when it is not', async () => {
  let ready = true
  app = await fakeApp({
    app: { ready: async () => ({ ready, details: { postgres: ready ? 'up' : 'down' } }) },
  })
  for (const path of ['/health/ready', '/ready'])
    expect(await app.call(path)).toMatchObject({ status: 200, json: { status: 'ok' } })
  ready = false
  expect(await app.call('/ready')).toMatchObject({
    status: 503,
    json: { status: 'error', details: { postgres: 'down' } },
  })
})

test('DLR-010.2 metrics are Prometheus text', async () => {
  app = await fakeApp()
  const answer = await app.call('/metrics')
  expect(answer.headers['content-type']).toContain('text/plain')
  expect(answer.headers['content-type']).toContain('version=0.0.4')
  expect(answer.text).toContain('# TYPE orch_submit_total counter')
})
