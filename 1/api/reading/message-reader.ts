import { z } from 'zod'
import { inTenant, type Database, type Statement } from '../postgres.ts'
import type { Identity } from '../middleware/token.ts'
import type { FairShare } from './fair-share.ts'
import { cursorOf, selectList, type ListQuery } from './message-list.ts'
import { MessageView, messageView, VIEW_COLUMNS } from './message-view.ts'

type Reader = Pick<Identity, 'tenantId' | 'accountId'>

/** One segment in the reply of [H4], see [RD4]. */
export const SegmentView = z.object({
  messageId: z.string(),
  segmentIndex: z.int().min(1),
  totalSegments: z.int().min(1),
  status: z.string(),
  errorCode: z.string().nullable(),
  receivedAt: z.iso.datetime().nullable(),
})
export type SegmentView = z.infer<typeof SegmentView>

/**
 * What a client may read. Undefined for a message of another tenant or account, as for none [RD2].
 * Throws DependencyUnavailable.
 */
export interface MessageReader {
  message(reader: Reader, messageId: string): Promise<MessageView | undefined>
  segments(reader: Reader, messageId: string): Promise<readonly SegmentView[] | undefined>
  /** The account's own, newest first [H15]. */
  list(reader: Reader, query: ListQuery): Promise<MessagePage>
}

export const MessagePage = z.object({
  messages: z.array(MessageView),
  /** Null on the last page. */
  nextCursor: z.string().nullable(),
})
export type MessagePage = z.infer<typeof MessagePage>

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
  async list({ tenantId, accountId }, query) {
    const statements = inTenant(tenantId, [selectList(tenantId, accountId, query)])
    const [, found] = await database.transaction('list_messages', statements)
    const views = (found?.rows ?? []).map(messageView)
    const messages = views.slice(0, query.limit)
    const last = messages.at(-1)
    const hasMore = views.length > messages.length && last !== undefined
    return { messages, nextCursor: hasMore ? cursorOf(last) : null }
  },
})

/** Slow reads of one tenant must not keep those of all others waiting [ER19]. */
export const sharedFairly = (reader: MessageReader, share: FairShare): MessageReader => ({
  message: (whose, messageId) => share.run(whose.tenantId, () => reader.message(whose, messageId)),
  segments: (whose, messageId) => share.run(whose.tenantId, () => reader.segments(whose, messageId)),
  list: (whose, query) => share.run(whose.tenantId, () => reader.list(whose, query)),
})

const SELECT_MESSAGE: Statement = {
  text: `SELECT ${VIEW_COLUMNS}
    FROM orch.sms_messages WHERE message_id = $1 AND tenant_id = $2 AND account_id = $3`,
}

const SELECT_SEGMENTS: Statement = {
  text: `SELECT segment_index, total_segments, status, error_code, received_at
    FROM dlr.segment_dlrs WHERE message_id = $1 AND tenant_id = $2 AND account_id = $3
    ORDER BY received_at, segment_index`,
}

const instant = z.date().transform((date) => date.toISOString())

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
