import { z } from 'zod'
import type { Database, Statement } from '../../postgres.ts'
import type { AdminDesk, ExportQuery, Orphan, OrphanPlace, Place, Reconciled } from './desk.ts'
import type { DeskMeans } from './quarantine-desk.ts'
import { releaseOnce } from './release.ts'

/** A page of an export: so many rows, and of large receipts as few as fit. At least one. */
const PAGE_ROWS_MAX = 500
const PAGE_BYTES_MAX = 4 * 1024 * 1024

const instant = z.date().transform((date) => date.toISOString())

const OrphanRow = z
  .object({
    orphan_id: z.string(),
    operator_id: z.string(),
    operator_message_id: z.string(),
    raw_stat: z.string().nullable(),
    raw_payload: z.unknown(),
    received_at: instant,
  })
  .transform(
    (row): Orphan => ({
      orphanId: row.orphan_id,
      operatorId: row.operator_id,
      operatorMessageId: row.operator_message_id,
      rawStat: row.raw_stat,
      rawPayload: row.raw_payload,
      receivedAt: row.received_at,
    }),
  )

export const orphanDesk = (means: DeskMeans): Pick<AdminDesk, 'exportOrphans' | 'reconcile'> => ({
  async *exportOrphans(query, { actor }) {
    await means.database.transaction('audit_export', [auditOf(means, query, actor)])
    let page = await pageOf(means.database, query, undefined)
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      yield page
      page = await pageOf(means.database, query, { receivedAt: last.receivedAt, id: last.orphanId })
    }
  },
  async reconcile(orphanId, place, order) {
    const statement = { text: SELECT_BOTH, values: [orphanId, place.messageId] }
    const [found] = await means.database.transaction('read_orphan', [statement])
    if (found?.rows[0] === undefined) return { kind: 'unknown' }
    const given = Both.parse(found.rows[0])
    const unfit = whyUnfit(given, place)
    if (unfit !== undefined) return unfit
    const owner = ownerOf(given, place)
    const at = new Date(means.now()).toISOString()
    const insert = releaseOnce({
      ...order,
      action: 'orphan.reconcile',
      id: orphanId,
      actionId: means.newId(),
      at,
      receipt: { ...given.raw_payload, ...owner },
      tenantId: owner.tenantId,
      detail: { ...owner, operatorId: given.operator_id },
    })
    const [released] = await means.database.transaction('reconcile', [insert])
    return released?.rowCount === 1 ? { kind: 'released', releasedAt: at } : { kind: 'already' }
  },
})

/**
 * Where the last page has ended, by time and id: no transaction stays open while a slow client
 * reads. `bytes` adds up in that order, so that a page of large receipts is cut short.
 */
const SELECT_PAGE = (isOfOne: boolean): string => `
  SELECT orphan_id, operator_id, operator_message_id, raw_stat, raw_payload, received_at FROM (
    SELECT page.*, row_number() OVER places AS place,
      sum(octet_length(raw_payload::text)) OVER (places ROWS UNBOUNDED PRECEDING) AS bytes
    FROM (
      SELECT orphan_id, operator_id, operator_message_id, raw_stat, raw_payload, received_at FROM dlr.orphan_dlrs
      WHERE received_at >= $1 AND received_at < $2 AND (received_at, orphan_id) > ($3, $4::uuid)
        ${isOfOne ? 'AND operator_id = $5' : 'AND $5::uuid IS NULL'}
      ORDER BY received_at, orphan_id LIMIT ${PAGE_ROWS_MAX}
    ) AS page WINDOW places AS (ORDER BY received_at, orphan_id)
  ) AS measured WHERE bytes <= ${PAGE_BYTES_MAX} OR place = 1 ORDER BY received_at, orphan_id`

/** Before every row: `from` is included, and no orphan has this id. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

async function pageOf(
  database: Database,
  { from, to, operatorId }: ExportQuery,
  after: Place | undefined,
): Promise<readonly Orphan[]> {
  const place = [after?.receivedAt ?? from, after?.id ?? NOBODY]
  const values = [from, to, ...place, operatorId ?? null]
  const statement = { text: SELECT_PAGE(operatorId !== undefined), values }
  const [found] = await database.transaction('export_orphans', [statement])
  return z.array(OrphanRow).parse(found?.rows)
}

const auditOf = ({ now, newId }: DeskMeans, query: ExportQuery, actor: string): Statement => ({
  text: `INSERT INTO orch.admin_actions (action_id, action, target, actor, detail, at)
    VALUES ($1, 'orphans.export', $2, $3, $4, $5)`,
  values: [newId(), query.operatorId ?? 'all', actor, JSON.stringify(query), new Date(now())],
})

/** The message may be another tenant's than the administrator's: that is what the role is for. */
const SELECT_BOTH = `SELECT o.raw_payload, o.operator_id, o.received_at, m.tenant_id, m.account_id, m.enqueued_at,
    m.segment_count, m.operator_id AS routed_to,
    (SELECT max(c.total_segments) FROM smpp.message_correlations c
     WHERE c.message_id = m.message_id AND c.operator_id = o.operator_id) AS parts
  FROM dlr.orphan_dlrs o LEFT JOIN orch.sms_messages m ON m.message_id = $2
  WHERE o.orphan_id = $1 LIMIT 1`

const Both = z.object({
  raw_payload: z.record(z.string(), z.unknown()),
  operator_id: z.string(),
  received_at: z.date(),
  tenant_id: z.string().nullable(),
  account_id: z.string().nullable(),
  enqueued_at: z.date().nullable(),
  segment_count: z.number().nullable(),
  routed_to: z.string().nullable(),
  /** As many as the operator was given; null: it named no ids, or the row has been purged. */
  parts: z.number().nullable(),
})
type Both = z.infer<typeof Both>

/**
 * A wrong message would get an outcome, and be billed for it: what the tables know is held against
 * it.
 */
function whyUnfit(given: Both, { segmentIndex }: OrphanPlace): Reconciled | undefined {
  if (given.enqueued_at === null) return unfit('messageId', 'names no message')
  if (given.parts === null && given.routed_to !== given.operator_id)
    return unfit('messageId', 'was not sent through the operator of the receipt')
  if (given.enqueued_at > given.received_at) return unfit('messageId', 'is younger than the receipt')
  const total = totalOf(given)
  return segmentIndex > total ? unfit('segmentIndex', `must be at most ${total}`) : undefined
}

const unfit = (path: keyof OrphanPlace, message: string): Reconciled => ({ kind: 'unfit', path, message })

const totalOf = ({ parts, segment_count: counted }: Both): number => parts ?? counted ?? 1

/** What [D8] asks of a released receipt. */
const ownerOf = (given: Both, { messageId, segmentIndex }: OrphanPlace) => ({
  messageId,
  segmentIndex,
  totalSegments: totalOf(given),
  tenantId: given.tenant_id ?? '',
  accountId: given.account_id ?? '',
  enqueuedAt: given.enqueued_at?.toISOString() ?? '',
})
