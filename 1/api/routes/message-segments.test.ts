import { afterEach, expect, test } from 'vitest'
import { claims, fakeApp, goodHeaders, messageId, type FakeApp } from '../testing/fake-app.suite.ts'

const segment = {
  messageId,
  segmentIndex: 1,
  totalSegments: 1,
  status: 'DELIVERED',
  errorCode: null,
  receivedAt: '2026-04-18T10:23:46.120Z',
}

let app: FakeApp
afterEach(() => app.close())

test('DLR-020.1 gives the bare array', async () => {
  app = await fakeApp({ reader: { segments: async () => [segment] } })
  const answer = await app.call(`/v1/sms/${messageId}/segments`, { headers: goodHeaders })
  expect(answer).toMatchObject({ status: 200, json: [segment] })
})

test('DLR-020.3 answers 404 when there is no such message for this reader', async () => {
  app = await fakeApp()
  for (const id of [messageId, 'x']) {
    const answer = await app.call(`/v1/sms/${id}/segments`, { headers: goodHeaders })
    expect(answer).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
  }
})

test('PLT-8 needs sms:read', async () => {
  app = await fakeApp({ tokens: { good: claims(['sms:send']) } })
  const answer = await app.call(`/v1/sms/${messageId}/segments`, { headers: goodHeaders })
  expect(answer).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } })
})
