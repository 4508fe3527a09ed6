import { z } from 'zod'
import type { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { KEY_LIFETIME_MS, SubmitReply, type KeyClaim, type StoredReply } from './idempotency.ts'
import type { Publication } from '../outbox/event-publisher.ts'
import type { Database, Row, Statement } from '../postgres.ts'

export interface NewMessage {
  /** The event is the message: its row holds the same facts. */
  readonly request: OutboundRequest
  readonly publication: Publication
  readonly reply: SubmitReply
  readonly claim: KeyClaim | undefined
}

export type Insertion =
  | { readonly kind: 'stored' }
  /**
   * The key is in use. `by` is undefined when its row has gone meanwhile, or is not this tenant's.
   */
  | { readonly kind: 'taken'; readonly by: StoredReply | undefined }

export interface MessageStore {
  /**
   * Stores message, key and outbox row in one transaction [SM23]. While another request is using
   * the key, this one waits until that one has committed or rolled back [SM20]. Throws
   * DependencyUnavailable.
   */
  insert(message: NewMessage): Promise<Insertion>
}

export const messageStore = (database: Database): MessageStore => ({
  async insert(message) {
    const { tenantId } = message.request
    const statements =
      message.claim === undefined
        ? [insertMessage(message)]
        : [forgetExpiredKey(message, message.claim), insertWithKey(message, message.claim)]
    const results = await database.inTenant('submit', tenantId, statements)
    if (results.at(-1)?.rowCount === 1) return { kind: 'stored' }
    return { kind: 'taken', by: await storedReply(database, tenantId, message.claim?.hash) }
  },
})

const keyLifeEnds = (enqueuedAt: string): string =>
  new Date(Date.parse(enqueuedAt) + KEY_LIFETIME_MS).toISOString()

/** What the key remembers once the message is stored. */
export const storedReplyOf = ({ request, reply }: NewMessage, claim: KeyClaim): StoredReply => ({
  tenantId: request.tenantId,
  fingerprint: claim.fingerprint,
  expiresAt: keyLifeEnds(request.enqueuedAt),
  reply,
})

/**
 * `claim` yields one row when the message may be stored. Values are cast because Postgres takes a
 * parameter in a select list for text. The outbox row carries the instant of the message: by its
 * index it is found again for deletion.
 */
const insertFrom = (claim: string): string => `
  WITH claim AS (${claim}),
  message AS (
    INSERT INTO orch.sms_messages (
      message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count, message_type, encoding, status,
      idempotency_hash, callback_url, metadata, enqueued_at, status_updated_at, expires_at
    )
    SELECT $1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::smallint, $8::text, $9::text, 'QUEUED',
      $10::text, $11::text, $12::jsonb, $13::timestamptz, $13::timestamptz, $14::timestamptz
    FROM claim
  )
  INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at)
  SELECT $15::uuid, $2::uuid, $16::text, $17::text, $18::jsonb, $19::jsonb, $13::timestamptz
  FROM claim`

const INSERT_WITHOUT_KEY = insertFrom('SELECT 1')
const INSERT_WITH_KEY = insertFrom(`
    INSERT INTO orch.idempotency_keys (
      hash, tenant_id, account_id, message_id, request_fingerprint, response_body, created_at, expires_at
    )
    VALUES ($10::text, $2, $3, $1, $20, $21, $13, $22)
    ON CONFLICT (hash) DO NOTHING
    RETURNING 1`)

function insertMessage({ request, publication, claim }: NewMessage): Statement & { values: unknown[] } {
  const values = [
    request.messageId,
    request.tenantId,
    request.accountId,
    request.to,
    request.from,
    request.body,
    request.segmentCount,
    request.messageType,
    request.encoding,
    claim?.hash ?? null,
    request.callbackUrl ?? null,
    request.metadata === undefined ? null : JSON.stringify(request.metadata),
    request.enqueuedAt,
    request.expiresAt,
    request.eventId,
    publication.subject,
    publication.msgId,
    JSON.stringify(publication.headers),
    publication.payload,
  ]
  return { name: 'insert-message', text: INSERT_WITHOUT_KEY, values }
}

function insertWithKey(message: NewMessage, claim: KeyClaim): Statement {
  const { values } = insertMessage(message)
  const ofKey = [claim.fingerprint, JSON.stringify(message.reply), keyLifeEnds(message.request.enqueuedAt)]
  return { name: 'insert-message-with-key', text: INSERT_WITH_KEY, values: [...values, ...ofKey] }
}

const forgetExpiredKey = ({ request }: NewMessage, claim: KeyClaim): Statement => ({
  name: 'forget-expired-key',
  text: `DELETE FROM orch.idempotency_keys WHERE hash = $1 AND tenant_id = $2 AND expires_at <= $3`,
  values: [claim.hash, request.tenantId, request.enqueuedAt],
})

async function storedReply(
  database: Database,
  tenantId: string,
  hash: string | undefined,
): Promise<StoredReply | undefined> {
  const statement = {
    name: 'stored-reply',
    text: `SELECT tenant_id, request_fingerprint, response_body, expires_at
      FROM orch.idempotency_keys WHERE hash = $1 AND tenant_id = $2`,
    values: [hash, tenantId],
  }
  const [found] = await database.inTenant('replay', tenantId, [statement])
  return found?.rows[0] === undefined ? undefined : fromRow(found.rows[0])
}

const StoredReplyRow = z.object({
  tenant_id: z.string(),
  request_fingerprint: z.string(),
  response_body: SubmitReply,
  expires_at: z.date(),
})

function fromRow(row: Row): StoredReply {
  const { tenant_id, request_fingerprint, response_body, expires_at } = StoredReplyRow.parse(row)
  return {
    tenantId: tenant_id,
    fingerprint: request_fingerprint,
    expiresAt: expires_at.toISOString(),
    reply: response_body,
  }
}
