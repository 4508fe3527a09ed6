import { z } from 'zod'
import { inTenant, type Database, type Row, type Statement } from './postgres.ts'
import type { Identity } from './middleware/token.ts'

type Reader = Pick<Identity, 'tenantId' | 'accountId'>

/**
 * The reply of [H3], as yet without the fields from `to` to `sendAt` of [RD1]. Instants are ISO
 * 8601 UTC, null where nothing has happened yet.
 */
export interface MessageView {
  readonly messageId: string
  readonly status: string
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

/** One segment in the reply of [H4], see [RD4]. */
export interface SegmentView {
  readonly messageId: string
  readonly segmentIndex: number
  readonly totalSegments: number
  readonly status: string
  readonly errorCode: string | null
  readonly receivedAt: string | null
}

/**
 * What a client may read. Undefined for a message of another tenant or account, as for none [RD2].
 * Throws DependencyUnavailable.
 */
export interface MessageReader {
  message(reader: Reader, messageId: string): Promise<MessageView | undefined>
  segments(reader: Reader, messageId: string): Promise<readonly SegmentView[] | undefined>
}

/** Reads the primary: a replica may be more than the allowed two seconds behind [RD3]. */
export const messageReader = (database: Database): MessageReader => ({
  async message(reader, messageId) {
    const values = [messageId, reader.tenantId, reader.accountId]
    const statements = inTenant(reader.tenantId, [{ ...SELECT_MESSAGE, values }])
    const [, found] = await database.transaction('read_message', statements)
    return found?.rows[0] === undefined ? undefined : messageView(found.rows[0])
  },
  async segments(reader, messageId) {
    const values = [messageId, reader.tenantId, reader.accountId]
    const statements = inTenant(reader.tenantId, [
      { ...SELECT_MESSAGE, values },
      { ...SELECT_SEGMENTS, values },
    ])
    const [, found, segments] = await database.transaction('read_segments', statements)
    if (found?.rows[0] === undefined) return undefined
    const { segmentCount } = messageView(found.rows[0])
    return segmentViews(messageId, segmentCount, z.array(SegmentRow).parse(segments?.rows))
  },
})

const SELECT_MESSAGE: Statement = {
  text: `SELECT message_id, status, attempt_count, operator_id, route_id, enqueued_at, processed_at, last_error,
      segment_count, dlr_status, dlr_received_at, status_updated_at
    FROM orch.sms_messages WHERE message_id = $1 AND tenant_id = $2 AND account_id = $3`,
}

const SELECT_SEGMENTS: Statement = {
  text: `SELECT segment_index, total_segments, status, error_code, received_at
    FROM dlr.segment_dlrs WHERE message_id = $1 AND tenant_id = $2 AND account_id = $3
    ORDER BY received_at, segment_index`,
}

const instant = z.date().transform((date) => date.toISOString())

const MessageRow = z.object({
  message_id: z.string(),
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

function messageView(row: Row): MessageView {
  const message = MessageRow.parse(row)
  return {
    messageId: message.message_id,
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

const SegmentRow = z.object({
  segment_index: z.number(),
  total_segments: z.number(),
  status: z.string(),
  error_code: z.string().nullable(),
  received_at: instant,
})
export type SegmentRow = z.infer<typeof SegmentRow>

/**
 * One entry per segment [RD4]. `rows` come in order of arrival, and a segment may have several. The
 * first terminal one counts; UNKNOWN counts only until there is one. The rows say how many segments
 * went out. Before the first row the `segmentCount` of the submit stands in: a message sent as one
 * TLV has fewer, one with a 16-bit reference may have more.
 */
export function segmentViews(
  messageId: string,
  segmentCount: number,
  rows: readonly SegmentRow[],
): SegmentView[] {
  const totalSegments = rows.reduce((total, row) => Math.max(total, row.total_segments), 0) || segmentCount
  return Array.from({ length: totalSegments }, (_, position) => {
    const segmentIndex = position + 1
    const ofSegment = rows.filter((row) => row.segment_index === segmentIndex)
    const row = ofSegment.find(({ status }) => status !== 'UNKNOWN') ?? ofSegment[0]
    return {
      messageId,
      segmentIndex,
      totalSegments,
      status: row?.status ?? 'PENDING',
      errorCode: row?.error_code ?? null,
      receivedAt: row?.received_at ?? null,
    }
  })
}
