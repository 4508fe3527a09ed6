import { z } from 'zod'
import type { Database } from '../../postgres.ts'
import type { AdminDesk, QuarantinedReceipt, QuarantineQuery } from './desk.ts'
import { cursorOf } from './queries.ts'
import { releaseOnce } from './release.ts'

export interface DeskMeans {
  /** As `admin_svc`. */
  readonly database: Database
  readonly now: () => number
  readonly newId: () => string
}

const instant = z.date().transform((date) => date.toISOString())

const Row = z.object({
  quarantine_id: z.string(),
  operator_id: z.string(),
  operator_message_id: z.string().nullable(),
  message_id: z.string().nullable(),
  raw_stat: z.string().nullable(),
  dlr_status: z.string().nullable(),
  received_at: instant,
  dlr_timestamp: instant.nullable(),
  terminal_at: instant.nullable(),
  released_at: instant.nullable(),
  released_by: z.string().nullable(),
  reason: z.string().nullable(),
  outcome: z.enum(['late', 'duplicate', 'applied']).nullable(),
})

/** The payload is personal data: a list reads only the two words of it that are none. */
const selecting = (
  more = '',
): string => `SELECT q.quarantine_id, q.operator_id, q.operator_message_id, q.message_id,
    q.payload->>'stat' AS raw_stat, q.payload->>'dlrStatus' AS dlr_status, q.received_at, q.dlr_timestamp,
    q.terminal_at, a.at AS released_at, a.actor AS released_by, a.reason, r.outcome${more}
  FROM dlr.quarantined_dlrs q
  LEFT JOIN orch.admin_actions a ON a.action = 'quarantine.release' AND a.target = q.quarantine_id::text
  LEFT JOIN dlr.quarantine_releases r ON r.quarantine_id = q.quarantine_id`

/** One row more than asked for tells whether there is another page. */
const SELECT_PAGE = `${selecting()}
  WHERE ($1::uuid IS NULL OR q.operator_id = $1)
    AND ($2::timestamptz IS NULL OR q.received_at >= $2) AND ($3::timestamptz IS NULL OR q.received_at < $3)
    AND ($4::boolean IS NULL OR (a.action_id IS NOT NULL) = $4)
    AND ($5::timestamptz IS NULL OR (q.received_at, q.quarantine_id) < ($5, $6::uuid))
  ORDER BY q.received_at DESC, q.quarantine_id DESC LIMIT $7`

export const quarantineDesk = (
  means: DeskMeans,
): Pick<AdminDesk, 'listQuarantine' | 'findQuarantined' | 'release'> => ({
  async listQuarantine(query) {
    const { limit } = query
    const statement = { text: SELECT_PAGE, values: valuesOf(query) }
    const [found] = await means.database.transaction('list_quarantine', [statement])
    const rows = (found?.rows ?? []).map((row) => viewOf(Row.parse(row)))
    const receipts = rows.slice(0, limit)
    const last = receipts.at(-1)
    const hasMore = rows.length > receipts.length && last !== undefined
    return {
      receipts,
      nextCursor: hasMore ? cursorOf({ receivedAt: last.receivedAt, id: last.quarantineId }) : null,
    }
  },
  async findQuarantined(quarantineId) {
    const text = `${selecting(', q.payload')} WHERE q.quarantine_id = $1`
    const [found] = await means.database.transaction('find_quarantined', [{ text, values: [quarantineId] }])
    const [row] = found?.rows ?? []
    return row && { ...viewOf(Row.parse(row)), payload: Stored.parse(row).payload }
  },
  async release(quarantineId, order) {
    const statement = { text: SELECT_PAYLOAD, values: [quarantineId] }
    const [found] = await means.database.transaction('read_quarantined', [statement])
    if (found?.rows[0] === undefined) return { kind: 'unknown' }
    const { payload } = Stored.parse(found.rows[0])
    const { tenantId, operatorId, messageId } = payload
    const at = new Date(means.now()).toISOString()
    const insert = releaseOnce({
      ...order,
      action: 'quarantine.release',
      id: quarantineId,
      actionId: means.newId(),
      at,
      receipt: payload,
      tenantId,
      detail: { messageId, tenantId, operatorId },
    })
    // A row of this table never changes, so nothing can have happened to it in between.
    const [released] = await means.database.transaction('release', [insert])
    return released?.rowCount === 1 ? { kind: 'released', releasedAt: at } : { kind: 'already' }
  },
})

const SELECT_PAYLOAD = 'SELECT payload FROM dlr.quarantined_dlrs WHERE quarantine_id = $1'
const Stored = z.object({
  payload: z.looseObject({ tenantId: z.string(), messageId: z.string(), operatorId: z.string() }),
})

/** Absent filters are null, so that the text is one and the same whatever is asked. */
function valuesOf({ operatorId, from, to, state, after, limit }: QuarantineQuery): unknown[] {
  const isReleased = state === undefined ? null : state === 'released'
  const place = [after?.receivedAt, after?.id].map((given) => given ?? null)
  return [operatorId ?? null, from ?? null, to ?? null, isReleased, ...place, limit + 1]
}

const viewOf = (row: z.infer<typeof Row>): QuarantinedReceipt => ({
  quarantineId: row.quarantine_id,
  operatorId: row.operator_id,
  operatorMessageId: row.operator_message_id,
  messageId: row.message_id,
  rawStat: row.raw_stat,
  dlrStatus: row.dlr_status,
  receivedAt: row.received_at,
  deliveredAt: row.dlr_timestamp,
  terminalAt: row.terminal_at,
  release:
    row.released_at === null
      ? null
      : {
          releasedAt: row.released_at,
          releasedBy: row.released_by ?? '',
          reason: row.reason,
          outcome: row.outcome,
        },
})
