import { z } from 'zod'
import type { Row } from '../postgres.ts'

const at = z.iso.datetime()

/**
 * The reply of [H3] [RD1]. Instants are ISO 8601 UTC, null where nothing has happened yet.
 */
export const MessageView = z.object({
  messageId: z.string(),
  to: z.string(),
  from: z.string(),
  messageType: z.string(),
  metadata: z.record(z.string(), z.string()),
  callbackUrl: z.string().nullable(),
  expiresAt: at,
  sendAt: at.nullable().describe('SCHEDULED until then; null: sent at once.'),
  status: z.string(),
  // [RT2]
  attemptCount: z.number().describe('Retries of the routing so far; 0 when the first try succeeded.'),
  operatorId: z.string().nullable(),
  routeId: z.string().nullable(),
  enqueuedAt: at,
  processedAt: at.nullable(),
  lastError: z.unknown().describe('A problem (RFC 9457), or null.'),
  segmentCount: z.number(),
  dlrStatus: z.string().nullable(),
  dlrReceivedAt: at.nullable(),
  statusUpdatedAt: at,
})
export type MessageView = z.infer<typeof MessageView>

/** The columns that `messageView` reads. The text of a message is not among them. */
export const VIEW_COLUMNS = `message_id, to_msisdn, from_sender, message_type, metadata, callback_url, expires_at,
  send_at, status, attempt_count, operator_id, route_id, enqueued_at, processed_at, last_error, segment_count, dlr_status,
  dlr_received_at, status_updated_at`

const instant = z.date().transform((date) => date.toISOString())

const MessageRow = z.object({
  message_id: z.string(),
  to_msisdn: z.string(),
  from_sender: z.string(),
  message_type: z.string(),
  metadata: z.record(z.string(), z.string()).nullable(),
  callback_url: z.string().nullable(),
  expires_at: instant,
  send_at: instant.nullable(),
  status: z.string(),
  attempt_count: z.number(),
  operator_id: z.string().nullable(),
  route_id: z.string().nullable(),
  enqueued_at: instant,
  processed_at: instant.nullable(),
  last_error: z.unknown(),
  segment_count: z.number(),
  dlr_status: z.string().nullable(),
  dlr_received_at: instant.nullable(),
  status_updated_at: instant,
})

export function messageView(row: Row): MessageView {
  const message = MessageRow.parse(row)
  return {
    messageId: message.message_id,
    to: message.to_msisdn,
    from: message.from_sender,
    messageType: message.message_type,
    metadata: message.metadata ?? {},
    callbackUrl: message.callback_url,
    expiresAt: message.expires_at,
    sendAt: message.send_at,
    status: message.status,
    attemptCount: message.attempt_count,
    operatorId: message.operator_id,
    routeId: message.route_id,
    enqueuedAt: message.enqueued_at,
    processedAt: message.processed_at,
    lastError: message.last_error ?? null,
    segmentCount: message.segment_count,
    dlrStatus: message.dlr_status,
    dlrReceivedAt: message.dlr_received_at,
    statusUpdatedAt: message.status_updated_at,
  }
}
