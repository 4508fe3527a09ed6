import { z } from 'zod'
import type { Row } from '../postgres.ts'

/**
 * The reply of [H3] [RD1]. Instants are ISO 8601 UTC, null where nothing has happened yet.
 */
export interface MessageView {
  readonly messageId: string
  readonly to: string
  readonly from: string
  readonly messageType: string
  readonly metadata: Readonly<Record<string, string>>
  readonly callbackUrl: string | null
  readonly expiresAt: string
  /** Null: at once. */
  readonly sendAt: string | null
  readonly status: string
  /** Retries of the routing so far [RT2]; 0 when the first try succeeded. */
  readonly attemptCount: number
  readonly operatorId: string | null
  readonly routeId: string | null
  readonly enqueuedAt: string
  readonly processedAt: string | null
  /** A problem (RFC 9457). */
  readonly lastError: unknown
  readonly segmentCount: number
  readonly dlrStatus: string | null
  readonly dlrReceivedAt: string | null
  readonly statusUpdatedAt: string
}

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
