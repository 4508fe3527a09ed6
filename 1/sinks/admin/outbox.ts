import type { Pool } from 'pg'
import { z } from 'zod'
import type { OutboxDesk, PutAside } from '../../streams/tools/desks.ts'
import { inTransaction } from '../postgres/pool.ts'
import { keepAction, type AdminMeans } from './admin-actions.ts'

const Row = z
  .object({
    id: z.string(),
    tenant_id: z.string(),
    subject: z.string(),
    msg_id: z.string(),
    attempts: z.number(),
    dead_reason: z.string().nullable(),
    dead_at: z.date(),
  })
  .transform(
    (row): PutAside => ({
      id: row.id,
      tenantId: row.tenant_id,
      subject: row.subject,
      msgId: row.msg_id,
      attempts: row.attempts,
      reason: row.dead_reason ?? '',
      putAsideAt: row.dead_at.toISOString(),
    }),
  )
const Released = z.object({ msg_id: z.string(), tenant_id: z.string() })

/** As `admin_svc`, which sees no payload. The row itself is the lock: it is released once. */
export function outboxDesk(pool: Pool, means: AdminMeans): OutboxDesk {
  return {
    async list(limit) {
      const { rows } = await pool.query(
        `SELECT id, tenant_id, subject, msg_id, attempts, dead_reason, dead_at FROM orch.outbox
         WHERE dead_at IS NOT NULL ORDER BY dead_at, id LIMIT $1`,
        [limit],
      )
      return z.array(Row).parse(rows)
    },
    release: (id, order) =>
      inTransaction(pool, async (client) => {
        const { rows } = await client.query(
          `UPDATE orch.outbox SET dead_at = NULL, dead_reason = NULL, attempts = 0, next_try_at = $2
           WHERE id = $1 AND dead_at IS NOT NULL RETURNING msg_id, tenant_id`,
          [id, new Date(means.now())],
        )
        if (rows[0] === undefined) return false
        const { msg_id: msgId, tenant_id: tenantId } = Released.parse(rows[0])
        const detail = { msgId, tenantId }
        await keepAction(client, means, { ...order, action: 'outbox.release', target: id, detail })
        return true
      }),
    close: () => pool.end(),
  }
}
