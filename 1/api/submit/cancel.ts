import { z } from 'zod'
import { outboundCancels, type OutboundCancel } from '../../streams/contracts/outbound.ts'
import { natsMessageId } from '../../streams/contracts/subjects.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { cancelEventId } from '../../streams/domain/event-id.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Identity } from '../middleware/token.ts'
import type { DeliveredRows } from '../outbox/deletion.ts'
import type { EventPublisher, Publication } from '../outbox/event-publisher.ts'
import { inTenant, type Database, type Statement } from '../postgres.ts'
import { PUBLISH_ACK_MS_MAX } from './submit.ts'

export interface CancelRequest {
  readonly identity: Pick<Identity, 'tenantId' | 'accountId'>
  readonly messageId: string
  readonly trace: Readonly<Record<string, string>>
}

export type CancelOutcome =
  | { readonly kind: 'ordered'; readonly sendAt: string }
  /** It has come further than SCHEDULED, or is due. */
  | { readonly kind: 'late'; readonly status: string }
  /** Also a message of another tenant or account [RD2]. */
  | { readonly kind: 'unknown' }

export interface CancelDeps {
  readonly database: Database
  readonly publisher: EventPublisher
  readonly delivered: DeliveredRows
  readonly logger: Logger
  readonly now: () => number
}

/** Throws DependencyUnavailable when Postgres is away; then nothing is ordered. */
export type Cancel = (request: CancelRequest) => Promise<CancelOutcome>

/**
 * [H16]: orders a cancel, as a submit orders a message: an outbox row, then the publish. Whether it
 * comes before the message is due is decided by the topology alone [T15]; here only what can be
 * known is refused. Repeated, it is the same event.
 */
export const createCancel =
  (deps: CancelDeps): Cancel =>
  async (request) => {
    const message = await find(deps, request)
    if (message === undefined) return { kind: 'unknown' }
    const { status, send_at: sendAt } = message
    if (status !== 'SCHEDULED' || sendAt === null || Date.parse(sendAt) <= deps.now())
      return { kind: 'late', status }
    const { identity, messageId, trace } = request
    await order(deps, cancelEvent(deps.now(), identity, messageId, message.enqueued_at, sendAt), trace)
    return { kind: 'ordered', sendAt }
  }

const instant = z.date().transform((date) => date.toISOString())
const Found = z.object({ status: z.string(), send_at: instant.nullable(), enqueued_at: instant })

async function find({ database }: CancelDeps, { identity, messageId }: CancelRequest) {
  const { tenantId, accountId } = identity
  const statement = { text: SELECT_MESSAGE, values: [messageId, tenantId, accountId] }
  const [, found] = await database.transaction('find_scheduled', inTenant(tenantId, [statement]))
  const [row] = found?.rows ?? []
  return row && Found.parse(row)
}

const SELECT_MESSAGE = `SELECT status, send_at, enqueued_at FROM orch.sms_messages
  WHERE message_id = $1 AND tenant_id = $2 AND account_id = $3`

/** [SC14] */
const cancelEvent = (
  nowMs: number,
  { tenantId, accountId }: CancelRequest['identity'],
  messageId: string,
  enqueuedAt: string,
  sendAt: string,
): OutboundCancel => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: cancelEventId(messageId),
  occurredAt: new Date(nowMs).toISOString(),
  messageId,
  tenantId,
  accountId,
  enqueuedAt,
  sendAt,
})

async function order(deps: CancelDeps, event: OutboundCancel, trace: CancelRequest['trace']): Promise<void> {
  const publication: Publication = {
    subject: outboundCancels.name,
    msgId: natsMessageId(outboundCancels.name, event.eventId),
    headers: { ...outboundCancels.headers(event), ...trace },
    payload: JSON.stringify(event),
  }
  const { messageId, tenantId, accountId, eventId, occurredAt: createdAt } = event
  await deps.database.transaction('cancel', inTenant(tenantId, [insertOutbox(event, publication)]))
  deps.logger.info('orch.cancel_ordered', { messageId, tenantId, accountId })
  const { kind } = await deps.publisher.publish(publication, PUBLISH_ACK_MS_MAX)
  if (kind === 'acknowledged') deps.delivered.add({ eventId, createdAt })
}

/**
 * Due since before the request of its message: while NATS is away no row is tried, and afterwards
 * the relay begins with what has been due for longest. A cancel that comes first is kept for its
 * request, one that comes behind it may be late.
 */
const insertOutbox = (event: OutboundCancel, { subject, msgId, headers }: Publication): Statement => ({
  text: `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, next_try_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
  values: [
    event.eventId,
    event.tenantId,
    subject,
    msgId,
    JSON.stringify(headers),
    JSON.stringify(event),
    event.occurredAt,
    event.enqueuedAt,
  ],
})
