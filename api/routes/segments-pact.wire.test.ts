import { afterAll, beforeAll, expect, test } from 'vitest'
import { complaintsAboutAnswers } from '../../dev/pacts.ts'
import { accountId, authorized, startRealApi, tenantId, type RealApi } from '../testing/real-api.suite.ts'

let api: RealApi
beforeAll(async () => {
  api = await startRealApi()
  await insertMessage(DELIVERED, 2)
  await insertMessage(WAITING, 1)
  await api.sql.query(
    `INSERT INTO dlr.segment_dlrs (message_id, segment_index, total_segments, status, received_at, tenant_id, account_id,
       error_code, enqueued_at)
     SELECT $1, n, 2, 'DELIVERED', now(), $2, $3, '000', now() FROM generate_series(1, 2) AS n`,
    [DELIVERED, tenantId, accountId],
  )
})
afterAll(() => api.close())

/** The states of the pact: messages that it names. */
const DELIVERED = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
const WAITING = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e8'

const insertMessage = (messageId: string, segments: number) =>
  api.sql.query(
    `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
       message_type, encoding, status, enqueued_at, status_updated_at, expires_at)
     VALUES ($1, $2, $3, '+447700900123', 'GHASI', 'x', $4, 'SMS', 'GSM7', 'SENT', now(), now(), now())`,
    [messageId, tenantId, accountId, segments],
  )

test('DLR-020.4 the segments of a message are told as the pact of the clients asks', async () => {
  expect(await complaintsAboutAnswers('sms-client', api.url, await authorized(api))).toBe('')
})

test('DLR-020.4 and the pact is not met where a segment has another status', async () => {
  await api.sql.query(`UPDATE dlr.segment_dlrs SET status = 'EXPIRED' WHERE segment_index = 2`)
  const complaints = await complaintsAboutAnswers('sms-client', api.url, await authorized(api))
  expect(complaints).toContain('EXPIRED')
})
