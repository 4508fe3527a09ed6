import { z } from 'zod'
import { outboundRequests, OutboundRequest } from '../../streams/contracts/outbound.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import { hourly, type Job } from './schedule.ts'

const HOUR_MS = 3_600_000
/** In one run; the next hour takes the next. Oldest first. */
const ROWS_MAX = 10_000

const Row = z.object({
  message_id: z.string(),
  tenant_id: z.string(),
  account_id: z.string(),
  to_msisdn: z.string(),
  from_sender: z.string(),
  body: z.string(),
  segment_count: z.number(),
  message_type: z.string(),
  encoding: z.string(),
  callback_url: z.string().nullable(),
  metadata: z.record(z.string(), z.string()).nullable(),
  enqueued_at: z.date(),
  expires_at: z.date(),
  send_at: z.date().nullable(),
})

/**
 * [DB74]: what is still QUEUED after an hour may have been lost between NATS and the log by age
 * ([F5]). It is published once more. A request that was seen is dropped by its messageId [O4]. What
 * waits in the outbox anyway is left alone. So is what is SCHEDULED, until it is overdue for an
 * hour: then its request may have been lost in the same way.
 */
export const requeue: Job = {
  name: 'requeue',
  schedule: hourly,
  run: async ({ relay }, nowMs) => {
    const { rows } = await relay.query(SELECT_QUEUED, [
      new Date(nowMs - 48 * HOUR_MS),
      new Date(nowMs - HOUR_MS),
      new Date(nowMs),
    ])
    const events = z.array(Row).parse(rows).map(eventOf)
    if (events.length === 0) return 0
    return (await relay.query(INSERT_OUTBOX, [JSON.stringify(events.map(outboxRow))])).rowCount ?? 0
  },
}

const SELECT_QUEUED = `
  SELECT message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count, message_type, encoding,
    callback_url, metadata, enqueued_at, expires_at, send_at
  FROM orch.sms_messages AS message
  WHERE (status = 'QUEUED' AND enqueued_at BETWEEN $1 AND $2
      OR status = 'SCHEDULED' AND send_at BETWEEN $1 AND $2 AND enqueued_at >= $1 - interval '7 days')
    AND expires_at > $3
    AND NOT EXISTS (SELECT FROM orch.outbox WHERE outbox.msg_id = message.message_id::text)
  ORDER BY enqueued_at LIMIT ${ROWS_MAX}`

const INSERT_OUTBOX = `
  INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload)
  SELECT event_id, tenant_id, subject, msg_id, headers, payload FROM jsonb_to_recordset($1::jsonb)
    AS given(event_id uuid, tenant_id uuid, subject text, msg_id text, headers jsonb, payload jsonb)`

/** The event that the API published for this row: a function of it, ids included. */
function eventOf(row: z.infer<typeof Row>): OutboundRequest {
  const enqueuedAt = row.enqueued_at.toISOString()
  return OutboundRequest.parse({
    schemaVersion: SCHEMA_VERSION,
    eventId: requestEventId(row.message_id),
    occurredAt: enqueuedAt,
    messageId: row.message_id,
    tenantId: row.tenant_id,
    accountId: row.account_id,
    to: row.to_msisdn,
    from: row.from_sender,
    body: row.body,
    messageType: row.message_type,
    encoding: row.encoding,
    segmentCount: row.segment_count,
    enqueuedAt,
    expiresAt: row.expires_at.toISOString(),
    ...(row.send_at !== null && { sendAt: row.send_at.toISOString() }),
    ...(row.callback_url !== null && { callbackUrl: row.callback_url }),
    ...(row.metadata !== null && { metadata: row.metadata }),
  })
}

const outboxRow = (event: OutboundRequest) => ({
  event_id: event.eventId,
  tenant_id: event.tenantId,
  subject: outboundRequests.name,
  msg_id: event.messageId,
  headers: outboundRequests.headers(event),
  payload: event,
})
