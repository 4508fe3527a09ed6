import { afterEach, describe, expect, test } from 'vitest'
import { DependencyUnavailable } from '../problem.ts'
import type { CancelOutcome, CancelRequest } from '../submit/cancel.ts'
import {
  accountId,
  claims,
  fakeApp,
  goodHeaders,
  messageId,
  tenantId,
  type FakeApp,
} from '../testing/fake-app.suite.ts'

const gone = new DependencyUnavailable('postgres', new Error('gone'))
const sendAt = '2026-04-20T08:00:00.000Z'
let app: FakeApp
const asked: CancelRequest[] = []
afterEach(async () => {
  await app.close()
  asked.length = 0
})

const start = async (outcome: CancelOutcome) =>
  (app = await fakeApp({
    app: { cancel: async (request) => (asked.push(request), outcome) },
    tokens: { good: claims(['sms:send']), reader: claims(['sms:read']) },
  }))
const del = (id: string = messageId, headers: Record<string, string> = goodHeaders) =>
  app.call(`/v1/sms/${id}`, { method: 'DELETE', headers })

describe('[H16] DELETE /v1/sms/{messageId}', () => {
  test('ORC-10.2 is 202 when the cancel is ordered, on behalf of the tenant and account of the caller', async () => {
    await start({ kind: 'ordered', sendAt })
    const answer = await del(messageId.toUpperCase())
    expect(answer).toMatchObject({ status: 202, json: { messageId, status: 'SCHEDULED', sendAt } })
    expect(asked).toMatchObject([{ messageId, identity: { tenantId, accountId } }])
  })

  test.each(['SENT', 'CANCELLED', 'SCHEDULED'])(
    'ORC-10.2 [ER18] is 409 afterwards, and says %s',
    async (status) => {
      await start({ kind: 'late', status })
      expect(await del()).toMatchObject({
        status: 409,
        json: {
          type: 'https://docs.ghasi.io/problems/not-cancellable',
          code: 'NOT_CANCELLABLE',
          errors: [{ path: 'status', message: `is ${status}` }],
        },
      })
    },
  )

  test('[RD2] is 404 for what the caller does not have, and for what is no id', async () => {
    await start({ kind: 'unknown' })
    for (const id of [messageId, 'x', '%00'])
      expect(await del(id)).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } })
    expect(asked).toHaveLength(1)
  })

  test('PLT-8 needs credentials, the right tenant and sms:send', async () => {
    await start({ kind: 'ordered', sendAt })
    expect((await del(messageId, {})).status).toBe(401)
    expect((await del(messageId, { ...goodHeaders, 'X-Tenant-Id': accountId })).json).toMatchObject({
      code: 'TENANT_MISMATCH',
    })
    expect((await del(messageId, { ...goodHeaders, Authorization: 'Bearer reader' })).json).toMatchObject({
      code: 'FORBIDDEN',
    })
    expect(asked).toEqual([])
  })

  test('is 503 when Postgres is away: nothing is ordered', async () => {
    app = await fakeApp({ app: { cancel: () => Promise.reject(gone) } })
    expect((await del()).json).toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' })
  })

  test('[FL1] is 503 while the flag is off', async () => {
    app = await fakeApp({ app: { flags: () => ({ enabled: false, shadow: false }) } })
    expect((await del()).json).toMatchObject({ code: 'SUBMIT_API_DISABLED' })
  })
})
