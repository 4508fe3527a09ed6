import { z } from 'zod'
import { outboundRequests, OutboundRequest } from '../../streams/contracts/outbound.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import type { Queryable } from '../postgres/statement.ts'
import { hourly, type Job, type JobRun } from './schedule.ts'

const HOUR_MS = 3_600_000
const PAGE_ROWS = 1_000
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

/** Where a page ends; the text keeps the microseconds that a Date would lose. */
const Place = z.object({ enqueued_text: z.string(), message_id: z.string() })
type Place = z.infer<typeof Place>
const BEFORE_ALL: Place = {
  enqueued_text: '-infinity',
  message_id: '00000000-0000-0000-0000-000000000000',
}

/**
 * [DB74]: what is still QUEUED after an hour may have been lost between NATS and the log by age
 * ([F5]). It is published once more. A request that was seen is dropped by its messageId [O4]. What
 * waits in the outbox is left alone; what was put aside there gets a new try, made from the message
 * itself. A row that makes no request stops none of the others. What is SCHEDULED is left alone
 * until it is overdue for an hour: then its request may have been lost in the same way.
 */
export const requeue: Job = {
  name: 'requeue',
  schedule: hourly,
  run: async ({ relay }, run) => {
    let requeued = 0
    for (const select of [SELECT_QUEUED, SELECT_OVERDUE])
      for (let place: Place | undefined = BEFORE_ALL; place !== undefined && requeued < ROWS_MAX; ) {
        const rows = await pageAfter(relay, select, place, run.nowMs)
        const events = rows.flatMap((row) => eventOf(row, run.refused))
        if (events.length > 0)
          requeued +=
            (await relay.query(REPLACE_OUTBOX, [JSON.stringify(events.map(outboxRow))])).rowCount ?? 0
        place = rows.length < PAGE_ROWS ? undefined : Place.parse(rows.at(-1))
      }
    return requeued
  },
}

async function pageAfter(
  relay: Queryable,
  select: string,
  { enqueued_text, message_id }: Place,
  nowMs: number,
): Promise<readonly unknown[]> {
  const { rows } = await relay.query<Record<string, unknown>>(select, [
    new Date(nowMs - 48 * HOUR_MS),
    new Date(nowMs - HOUR_MS),
    new Date(nowMs),
    enqueued_text,
    message_id,
  ])
  return rows
}

/**
 * The outbox row of a message carries the message's own instant, whoever has written it, so the
 * index on it finds the row [SM24].
 */
const selectWaiting = (isDue: string) => `
  SELECT message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count, message_type, encoding,
    callback_url, metadata, enqueued_at, expires_at, send_at, enqueued_at::text AS enqueued_text
  FROM orch.sms_messages AS message
  WHERE ${isDue} AND expires_at > $3
    AND (enqueued_at, message_id) > ($4::timestamptz, $5::uuid)
    AND NOT EXISTS (
      SELECT FROM orch.outbox
      WHERE created_at = message.enqueued_at AND msg_id = message.message_id::text AND dead_at IS NULL
    )
  ORDER BY enqueued_at, message_id LIMIT ${PAGE_ROWS}`

export const SELECT_QUEUED = selectWaiting(`status = 'QUEUED' AND enqueued_at BETWEEN $1 AND $2`)
const SELECT_OVERDUE = selectWaiting(
  `status = 'SCHEDULED' AND send_at BETWEEN $1 AND $2 AND enqueued_at >= $1::timestamptz - interval '7 days'`,
)

const REPLACE_OUTBOX = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS given(
      event_id uuid, tenant_id uuid, subject text, msg_id text, headers jsonb, payload jsonb, created_at timestamptz
    )
  ), put_aside AS (
    DELETE FROM orch.outbox USING given
    WHERE outbox.created_at = given.created_at AND outbox.msg_id = given.msg_id AND outbox.dead_at IS NOT NULL
  )
  INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at)
  SELECT event_id, tenant_id, subject, msg_id, headers, payload, created_at FROM given`

/** None when the row makes no request, which is told. */
function eventOf(row: unknown, refused: JobRun['refused']): readonly OutboundRequest[] {
  const read = Row.transform(requestOf).pipe(OutboundRequest).safeParse(row)
  if (read.success) return [read.data]
  refused(
    Place.parse(row).message_id,
    read.error.issues.map(({ path }) => path.join('.')),
  )
  return []
}

/** The event that the API published for this row: a function of it, ids included. */
function requestOf(row: z.infer<typeof Row>) {
  const enqueuedAt = row.enqueued_at.toISOString()
  return {
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
  }
}

const outboxRow = (event: OutboundRequest) => ({
  event_id: event.eventId,
  tenant_id: event.tenantId,
  subject: outboundRequests.name,
  msg_id: event.messageId,
  headers: outboundRequests.headers(event),
  payload: event,
  created_at: event.enqueuedAt,
})
