import { InboundReceipt, inboundReceipts, RELEASE_HEADER } from '../../../streams/contracts/receipts.ts'
import { natsMessageId } from '../../../streams/contracts/subjects.ts'
import { SCHEMA_VERSION } from '../../../streams/contracts/topic.ts'
import { releasedReceiptEventId } from '../../../streams/domain/event-id.ts'
import type { Statement } from '../../postgres.ts'
import type { Order } from './desk.ts'

export interface Release extends Order {
  readonly action: 'quarantine.release' | 'orphan.reconcile'
  /** Of the quarantine or of the orphan. */
  readonly id: string
  readonly actionId: string
  /** ISO 8601 UTC with milliseconds. */
  readonly at: string
  /** The receipt as it was stored, with the message and segment that it belongs to [D8]. */
  readonly receipt: unknown
  readonly tenantId: string
  /** For the audit row; ids only. */
  readonly detail: Readonly<Record<string, unknown>>
}

/**
 * The audit row and the outbox row [AD1], both or none: one statement, which gives one row, or none
 * when the action has been taken before. Of two administrators at the same time the second waits at
 * the unique index for the first.
 */
export function releaseOnce(release: Release): Statement {
  const event = releasedEvent(release)
  const headers = { ...inboundReceipts.headers(event), [RELEASE_HEADER]: release.id, ...release.trace }
  return {
    text: `WITH action AS (
        INSERT INTO orch.admin_actions (action_id, action, target, actor, reason, detail, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING action_id
      )
      INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, next_try_at)
      SELECT $8, $9, $10, $11, $12, $13, $7, $7 FROM action RETURNING id`,
    values: [
      release.actionId,
      release.action,
      release.id,
      release.actor,
      release.reason,
      JSON.stringify(release.detail),
      release.at,
      event.eventId,
      release.tenantId,
      inboundReceipts.name,
      natsMessageId(inboundReceipts.name, event.eventId),
      JSON.stringify(headers),
      JSON.stringify(event),
    ],
  }
}

/**
 * What the gateway would have published, and whose message it is [EV61]. It has an id of its own,
 * or the memory of the first one would swallow it; what `intake` adds to a receipt is dropped,
 * because it is found out again.
 */
const releasedEvent = ({ id, at, receipt }: Release): InboundReceipt =>
  InboundReceipt.parse({
    ...(typeof receipt === 'object' && receipt),
    schemaVersion: SCHEMA_VERSION,
    eventId: releasedReceiptEventId(id),
    occurredAt: at,
  })
