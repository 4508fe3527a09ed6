import type { ClientBase, Pool } from 'pg'
import { z } from 'zod'
import {
  OutboundDeadLetter,
  OutboundRequest,
  outboundRequests,
  REPLAY_HEADER,
  replayOrder,
} from '../../streams/contracts/outbound.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import type { DeadMessage, DeadMessageDesk, Replayed, ReplayOrder } from '../../streams/tools/desks.ts'
import { inTransaction } from '../postgres/pool.ts'
import { keepAction, type AdminMeans } from './admin-actions.ts'
import { whyNot } from './what-tables-know.ts'

const Row = z
  .object({
    dead_letter_id: z.string(),
    message_id: z.string(),
    tenant_id: z.string(),
    account_id: z.string(),
    reason: z.string(),
    failure_reason: z.string(),
    attempt_count: z.number(),
    final_status: z.enum(['FAILED', 'DEAD_LETTER']).nullable().catch(null),
    failed_at: z.date(),
    replayed_at: z.date().nullable(),
    replayed_by: z.string().nullable(),
  })
  .transform(
    (row): DeadMessage => ({
      deadLetterId: row.dead_letter_id,
      messageId: row.message_id,
      tenantId: row.tenant_id,
      accountId: row.account_id,
      reason: row.reason,
      failureReason: row.failure_reason,
      attemptCount: row.attempt_count,
      finalStatus: row.final_status,
      failedAt: row.failed_at.toISOString(),
      replayedAt: row.replayed_at?.toISOString() ?? null,
      replayedBy: row.replayed_by,
    }),
  )
const Payload = z.object({ payload: z.unknown() })

const COLUMNS = `dead_letter_id, message_id, tenant_id, account_id, reason, failure_reason, attempt_count,
  payload->>'finalStatus' AS final_status, failed_at, replayed_at, replayed_by`

/** As `admin_svc`. */
export function deadMessages(pool: Pool, means: AdminMeans): DeadMessageDesk {
  return {
    async list({ tenantId, messageId, reason, since, isOpen, limit }) {
      const { rows } = await pool.query(
        `SELECT ${COLUMNS} FROM orch.dead_letters
         WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR message_id = $2)
           AND ($3::text IS NULL OR reason = $3)
           AND (NOT $4 OR (replayed_at IS NULL AND payload->>'finalStatus' = 'DEAD_LETTER'))
           AND ($6::timestamptz IS NULL OR failed_at >= $6)
         ORDER BY failed_at DESC, dead_letter_id LIMIT $5`,
        [tenantId ?? null, messageId ?? null, reason ?? null, isOpen, limit, since ?? null],
      )
      return z.array(Row).parse(rows)
    },
    async find(id) {
      const { rows } = await pool.query<Record<string, unknown>>(
        `SELECT ${COLUMNS}, payload FROM orch.dead_letters WHERE dead_letter_id = $1`,
        [id],
      )
      const [row] = rows
      return row === undefined ? undefined : { message: Row.parse(row), payload: Payload.parse(row).payload }
    },
    replay: (id, order) => inTransaction(pool, (client) => replay(client, means, { id, ...order })),
    close: () => pool.end(),
  }
}

interface IdentifiedOrder extends ReplayOrder {
  readonly id: string
}

const Locked = z.object({
  payload: z.unknown(),
  replayed_at: z.date().nullable(),
  replayed_by: z.string().nullable(),
})

/**
 * [T12]: one transaction marks the dead letter, leaves its request in the outbox with the order of
 * the replay, and keeps who wanted it. The row is locked, so that of two people one issues it. That
 * the order is taken once is for `outbound` to see to: it goes by id and seq [O4].
 */
async function replay(client: ClientBase, means: AdminMeans, order: IdentifiedOrder): Promise<Replayed> {
  const { rows } = await client.query(
    `SELECT payload, replayed_at, replayed_by FROM orch.dead_letters WHERE dead_letter_id = $1 FOR UPDATE`,
    [order.id],
  )
  if (rows[0] === undefined) return { kind: 'absent' }
  const { payload, replayed_at: at, replayed_by: by } = Locked.parse(rows[0])
  if (at !== null && !order.again) return { kind: 'already', at: at.toISOString(), by: by ?? '' }
  const letter = OutboundDeadLetter.safeParse(payload)
  if (!letter.success) return { kind: 'refused', refusal: 'the stored event cannot be read' }
  const refusal = await whyNot(client, letter.data)
  if (refusal !== undefined) return { kind: 'refused', refusal }
  const { messageId, tenantId, seq } = letter.data
  if (order.isTrial === true) return { kind: 'issued', messageId, seq }
  await client.query(
    'UPDATE orch.dead_letters SET replayed_at = $2, replayed_by = $3 WHERE dead_letter_id = $1',
    [order.id, new Date(means.now()), order.actor],
  )
  await issue(client, letter.data)
  const detail = { messageId, tenantId, seq, again: order.again }
  await keepAction(client, means, { ...order, action: 'deadletter.replay', target: order.id, detail })
  return { kind: 'issued', messageId, seq }
}

/**
 * The request as the API made it, under another Nats-Msg-Id than the messageId: NATS may still know
 * that one, and would drop the order as a repetition (ADR 0044).
 */
async function issue(client: ClientBase, letter: OutboundDeadLetter): Promise<void> {
  const request = requestOf(letter)
  await client.query(
    `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [
      request.eventId,
      request.tenantId,
      outboundRequests.name,
      `${outboundRequests.name}:${letter.eventId}`,
      JSON.stringify({ ...outboundRequests.headers(request), [REPLAY_HEADER]: replayOrder(letter) }),
      JSON.stringify(request),
    ],
  )
}

/** A dead letter says all of its request again [SC3]; what it says beside is dropped. */
const requestOf = (letter: OutboundDeadLetter): OutboundRequest =>
  OutboundRequest.parse({
    ...letter,
    eventId: requestEventId(letter.messageId),
    occurredAt: letter.enqueuedAt,
  })
