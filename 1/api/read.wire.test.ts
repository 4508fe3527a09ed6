import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SubmitReply } from './submit/idempotency.ts'
import {
  authorized,
  accountId,
  goodBody,
  startRealApi,
  tenantId,
  type RealApi,
} from './testing/real-api.suite.ts'

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
})
afterAll(() => api.close())

const submitted = async (body = goodBody.body) =>
  SubmitReply.parse((await api.send({ ...goodBody, body })).json)
const get = async (path: string, claims?: Readonly<Record<string, string>>) =>
  api.call(path, { headers: await authorized(api, claims) })

const addReceipt = (
  messageId: string,
  enqueuedAt: string,
  index: number,
  status: string,
  receivedAt: string,
) =>
  api.sql.query(
    `INSERT INTO dlr.segment_dlrs (message_id, segment_index, total_segments, status, received_at, tenant_id,
       account_id, error_code, enqueued_at)
     VALUES ($1, $2, 2, $3, $4, $5, $6, '000', $7)`,
    [messageId, index, status, receivedAt, tenantId, accountId, enqueuedAt],
  )

describe('GET /v1/sms/{messageId}', () => {
  test('ORC-3.1 shows the row', async () => {
    const { messageId, enqueuedAt } = await submitted()
    expect(await get(`/v1/sms/${messageId}`)).toMatchObject({ status: 200 })
    expect((await get(`/v1/sms/${messageId}`)).json).toEqual({
      messageId,
      to: goodBody.to,
      from: goodBody.from,
      messageType: 'SMS',
      metadata: {},
      callbackUrl: null,
      expiresAt: new Date(Date.parse(enqueuedAt) + 48 * 3_600_000).toISOString(),
      sendAt: null,
      status: 'QUEUED',
      attemptCount: 0,
      operatorId: null,
      routeId: null,
      enqueuedAt,
      processedAt: null,
      lastError: null,
      segmentCount: 1,
      dlrStatus: null,
      dlrReceivedAt: null,
      statusUpdatedAt: enqueuedAt,
    })
  })

  test('DAT-13 shows what the sinks have written, the last error as a problem', async () => {
    const { messageId } = await submitted()
    const at = '2026-04-18T10:23:46.120Z'
    const problem = { type: 'about:blank', title: 'no route', status: 422, code: 'no_route' }
    await api.sql.query(
      `UPDATE orch.sms_messages SET status = 'FAILED', attempt_count = 2, operator_id = 'op', route_id = 'rt',
         processed_at = $2, last_error = $3, dlr_status = 'FAILED', dlr_received_at = $2 WHERE message_id = $1`,
      [messageId, at, problem],
    )
    expect((await get(`/v1/sms/${messageId}`)).json).toMatchObject({
      status: 'FAILED',
      attemptCount: 2,
      operatorId: 'op',
      routeId: 'rt',
      processedAt: at,
      lastError: problem,
      dlrStatus: 'FAILED',
      dlrReceivedAt: at,
    })
  })

  test('ORC-3.1 DLR-020.3 is 404 for another account, another tenant, an unknown and a malformed id', async () => {
    const { messageId } = await submitted()
    const answers = await Promise.all(
      ['', '/segments'].flatMap((suffix) => [
        get(`/v1/sms/${messageId}${suffix}`, { account_id: randomUUID() }),
        get(`/v1/sms/${messageId}${suffix}`, { tenant_id: randomUUID() }),
        get(`/v1/sms/${randomUUID()}${suffix}`),
        get(`/v1/sms/1${suffix}`),
      ]),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 8 }, () => 404))
    expect(answers.map((answer) => answer.text).join()).not.toContain(messageId)
  })
})

describe('GET /v1/sms/{messageId}/segments', () => {
  test('DLR-020.1 shows every segment, PENDING before anything has arrived', async () => {
    const { messageId } = await submitted('x'.repeat(161))
    const pending = { messageId, totalSegments: 2, status: 'PENDING', errorCode: null, receivedAt: null }
    expect((await get(`/v1/sms/${messageId}/segments`)).json).toEqual([
      { ...pending, segmentIndex: 1 },
      { ...pending, segmentIndex: 2 },
    ])
  })

  test('DLR-020.1 a terminal status wins over UNKNOWN', async () => {
    const { messageId, enqueuedAt } = await submitted('x'.repeat(161))
    await addReceipt(messageId, enqueuedAt, 2, 'UNKNOWN', '2026-04-18T10:23:46.120Z')
    await addReceipt(messageId, enqueuedAt, 2, 'DELIVERED', '2026-04-18T10:23:47.120Z')
    expect((await get(`/v1/sms/${messageId}/segments`)).json).toMatchObject([
      { segmentIndex: 1, status: 'PENDING' },
      {
        messageId,
        segmentIndex: 2,
        totalSegments: 2,
        status: 'DELIVERED',
        errorCode: '000',
        receivedAt: '2026-04-18T10:23:47.120Z',
      },
    ])
  })
})

test('ORC-3.1 Postgres down is 503', async () => {
  const { messageId } = await submitted()
  await api.cuts.postgres.cut()
  expect(await get(`/v1/sms/${messageId}`)).toMatchObject({
    status: 503,
    json: { code: 'DEPENDENCY_UNAVAILABLE' },
  })
  await api.cuts.postgres.mend()
  expect((await get(`/v1/sms/${messageId}`)).status).toBe(200)
})
