import { z } from 'zod'
import type { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { KEY_LIFETIME_MS, SubmitReply, type KeyClaim, type StoredReply } from './idempotency.ts'
import type { Publication } from '../outbox/event-publisher.ts'
import { inTenant, type Database, type Statement } from '../postgres.ts'

export interface NewMessage {
  /** The event is the message: its row holds the same facts. */
  readonly request: OutboundRequest
  readonly publication: Publication
  readonly reply: SubmitReply
  readonly claim: KeyClaim | undefined
}

/** `taken`: the key is in use, by whom `storedReplies` may tell. */
export type Insertion = 'stored' | 'taken'

export interface MessageStore {
  /**
   * Stores messages, keys and outbox rows in one transaction [SM23], those whose key is free; one
   * answer each, in order. While another transaction is using a key, this one waits until that one
   * has committed or rolled back [SM20]. Throws DependencyUnavailable.
   */
  insert(messages: readonly NewMessage[], options?: InsertOptions): Promise<readonly Insertion[]>
  /** By hash; what one tenant's keys remember. Throws DependencyUnavailable. */
  storedReplies(tenantId: string, hashes: readonly string[]): Promise<ReadonlyMap<string, StoredReply>>
}

export interface InsertOptions {
  /** Keys that have expired are forgotten first [DB5]. */
  readonly replaceExpired?: boolean
  /**
   * The messages have nothing to do with each other, so they must not wait long for a key that one
   * of them wants.
   */
  readonly isGroup?: boolean
  /** Shadow mode [FL2]: the answers are those of a real insertion, and nothing is stored. */
  readonly rollBack?: boolean
}

/** Longer than a transaction takes that is not stuck; a group is then taken apart. */
const GROUP_LOCK_MS_MAX = 250

export const messageStore = (database: Database): MessageStore => ({
  async insert(messages, { replaceExpired = false, isGroup = false, rollBack } = {}) {
    const tenants = byTenant(messages)
    const statements = tenants.flatMap(([tenantId, ofTenant]) => {
      const expired = replaceExpired ? ofTenant.flatMap(forgetExpiredKey) : []
      return inTenant(tenantId, [...expired, insertMessages(tenantId, ofTenant)])
    })
    const lockMsMax = isGroup ? GROUP_LOCK_MS_MAX : undefined
    const results = await database.transaction('submit', statements, { lockMsMax, rollBack })
    const rows = results.flatMap((result) => result.rows)
    const stored = new Set(rows.flatMap((row) => StoredRow.safeParse(row).data?.stored_id ?? []))
    return messages.map(({ request }) => (stored.has(request.messageId) ? 'stored' : 'taken'))
  },

  async storedReplies(tenantId, hashes) {
    const statement = { text: STORED_REPLIES, values: [hashes, tenantId] }
    const results = await database.transaction('replay', inTenant(tenantId, [statement]))
    const rows = z.array(StoredReplyRow).parse(results.at(-1)?.rows ?? [])
    return new Map(rows.map((row) => [row.hash, fromRow(row)]))
  },
})

/**
 * Tenants and the keys of each in one order everywhere: two transactions that want the same keys
 * would otherwise wait for each other for ever.
 */
function byTenant(messages: readonly NewMessage[]): (readonly [string, readonly NewMessage[]])[] {
  const tenants = new Map<string, NewMessage[]>()
  for (const message of messages) {
    const { tenantId } = message.request
    const ofTenant = tenants.get(tenantId) ?? []
    ofTenant.push(message)
    tenants.set(tenantId, ofTenant)
  }
  return [...tenants]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([tenantId, ofTenant]) => [tenantId, ofTenant.toSorted(byHash)] as const)
}

const byHash = (left: NewMessage, right: NewMessage): number =>
  (left.claim?.hash ?? '') < (right.claim?.hash ?? '') ? -1 : 1

const keyLifeEnds = (enqueuedAt: string): string =>
  new Date(Date.parse(enqueuedAt) + KEY_LIFETIME_MS).toISOString()

/** What the key remembers once the message is stored. */
export const storedReplyOf = ({ request, reply }: NewMessage, claim: KeyClaim): StoredReply => ({
  fingerprint: claim.fingerprint,
  expiresAt: keyLifeEnds(request.enqueuedAt),
  reply,
})

/**
 * Any number of messages of one tenant, as one JSON parameter: one statement whatever their number,
 * parsed once and without a name, so that a pooler between us and Postgres may give each
 * transaction another connection. Of two equal keys the first row wins. The outbox row carries the
 * instant of the message: by its index it is found again for deletion. Until two seconds later it
 * is left to the process that wrote it [SM24].
 */
const INSERT_MESSAGES = `
  WITH given AS (
    SELECT * FROM jsonb_to_recordset($2::jsonb) AS given(
      message_id uuid, account_id uuid, to_msisdn text, from_sender text, body text, segment_count smallint,
      message_type text, encoding text, status text, hash text, callback_url text, metadata jsonb,
      enqueued_at timestamptz, expires_at timestamptz, send_at timestamptz, event_id uuid, subject text, msg_id text, headers jsonb,
      payload jsonb, fingerprint text, reply jsonb, key_ends timestamptz
    )
  ),
  claimed AS (
    INSERT INTO orch.idempotency_keys (
      hash, tenant_id, account_id, message_id, request_fingerprint, response_body, created_at, expires_at
    )
    SELECT hash, $1::uuid, account_id, message_id, fingerprint, reply, enqueued_at, key_ends
    FROM given WHERE hash IS NOT NULL ORDER BY hash
    ON CONFLICT (hash) DO NOTHING
    RETURNING message_id
  ),
  free AS (
    SELECT * FROM given WHERE hash IS NULL OR message_id IN (SELECT message_id FROM claimed)
  ),
  message AS (
    INSERT INTO orch.sms_messages (
      message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count, message_type, encoding,
      status, idempotency_hash, callback_url, metadata, enqueued_at, status_updated_at, expires_at, send_at
    )
    SELECT message_id, $1::uuid, account_id, to_msisdn, from_sender, body, segment_count, message_type, encoding,
      status, hash, callback_url, metadata, enqueued_at, enqueued_at, expires_at, send_at
    FROM free
  ),
  event AS (
    INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload, created_at, next_try_at)
    SELECT event_id, $1::uuid, subject, msg_id, headers, payload, enqueued_at, enqueued_at + interval '2 seconds'
    FROM free
  )
  SELECT message_id AS stored_id FROM free`

const StoredRow = z.object({ stored_id: z.string() })

const insertMessages = (tenantId: string, messages: readonly NewMessage[]): Statement => ({
  text: INSERT_MESSAGES,
  values: [tenantId, JSON.stringify(messages.map(rowOf))],
})

const rowOf = ({ request, publication, reply, claim }: NewMessage) => ({
  message_id: request.messageId,
  account_id: request.accountId,
  to_msisdn: request.to,
  from_sender: request.from,
  body: request.body,
  segment_count: request.segmentCount,
  message_type: request.messageType,
  encoding: request.encoding,
  status: reply.status,
  callback_url: request.callbackUrl,
  metadata: request.metadata,
  enqueued_at: request.enqueuedAt,
  expires_at: request.expiresAt,
  send_at: request.sendAt,
  event_id: request.eventId,
  subject: publication.subject,
  msg_id: publication.msgId,
  headers: publication.headers,
  payload: request,
  ...(claim && { ...claim, reply, key_ends: keyLifeEnds(request.enqueuedAt) }),
})

const forgetExpiredKey = ({ request, claim }: NewMessage): readonly Statement[] =>
  claim === undefined
    ? []
    : [
        {
          text: `DELETE FROM orch.idempotency_keys WHERE hash = $1 AND tenant_id = $2 AND expires_at <= $3`,
          values: [claim.hash, request.tenantId, request.enqueuedAt],
        },
      ]

const STORED_REPLIES = `SELECT hash, request_fingerprint, response_body, expires_at
  FROM orch.idempotency_keys WHERE hash = ANY($1::text[]) AND tenant_id = $2`

const StoredReplyRow = z.object({
  hash: z.string(),
  request_fingerprint: z.string(),
  response_body: SubmitReply,
  expires_at: z.date(),
})

const fromRow = (row: z.infer<typeof StoredReplyRow>): StoredReply => ({
  fingerprint: row.request_fingerprint,
  expiresAt: row.expires_at.toISOString(),
  reply: row.response_body,
})
