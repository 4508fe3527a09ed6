import { afterEach, expect, test } from 'vitest'
import {
  accountId,
  claims,
  fakeApp,
  goodHeaders,
  messageId,
  tenantId,
  type FakeApp,
} from '../testing/fake-app.suite.ts'
import type { MessageView } from '../reading/message-view.ts'

const view: MessageView = {
  messageId,
  to: '+447700900123',
  from: 'GHASI',
  messageType: 'SMS',
  metadata: {},
  callbackUrl: null,
  expiresAt: '2026-04-20T10:23:40.000Z',
  sendAt: null,
  status: 'SENT',
  attemptCount: 1,
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  routeId: 'rt-44-a',
  enqueuedAt: '2026-04-18T10:23:40.000Z',
  processedAt: null,
  lastError: null,
  segmentCount: 1,
  dlrStatus: null,
  dlrReceivedAt: null,
  statusUpdatedAt: '2026-04-18T10:23:41.000Z',
}

let app: FakeApp
afterEach(() => app.close())

test('ORC-3.1 gives what the reader finds for tenant, account and id', async () => {
  const asked: unknown[] = []
  app = await fakeApp({
    reader: {
      message: async (reader, id) => {
        asked.push([reader.tenantId, reader.accountId, id])
        return view
      },
    },
  })
  const answer = await app.call(`/v1/sms/${messageId.toUpperCase()}`, { headers: goodHeaders })
  expect(answer).toMatchObject({ status: 200, json: view })
  expect(asked).toEqual([[tenantId, accountId, messageId]])
})

test('ORC-3.1 answers 404 when there is none, also for what is no id at all', async () => {
  app = await fakeApp()
  for (const id of [messageId, 'x', '%00', `${messageId}0`]) {
    const answer = await app.call(`/v1/sms/${id}`, { headers: goodHeaders })
    expect(answer).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
  }
})

test('PLT-8 needs credentials, the right tenant and sms:read', async () => {
  app = await fakeApp({ tokens: { good: claims(['sms:send']) }, reader: { message: async () => view } })
  const get = (headers: Record<string, string>) => app.call(`/v1/sms/${messageId}`, { headers })
  expect((await get({})).status).toBe(401)
  expect((await get({ ...goodHeaders, 'X-Tenant-Id': accountId })).json).toMatchObject({
    code: 'TENANT_MISMATCH',
  })
  expect((await get(goodHeaders)).json).toMatchObject({ code: 'FORBIDDEN' })
})
