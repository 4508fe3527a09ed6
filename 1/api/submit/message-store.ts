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
  /**
   * Asked when the transaction of a group begins: a message that has got its answer by then counts
   * as taken.
   */
  readonly isAnswered?: () => boolean
  /** Shadow mode [FL2]: the answers are those of a real insertion, and nothing is stored. */
  readonly rollBack?: boolean
}

/** Longer than a transaction takes that is not stuck; a group is then taken apart. */
const GROUP_LOCK_MS_MAX = 250

export const messageStore = (database: Database): MessageStore => ({
  async insert(messages, { replaceExpired = false, isGroup = false, rollBack } = {}) {
    const tenants = byTenant(messages)
    const expired = replaceExpired ? tenants.flatMap(forgetExpiredKeys) : []
    const lockMsMax = isGroup ? GROUP_LOCK_MS_MAX : undefined
    const statements = [...expired, storeSubmits(tenants)]
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

interface OfTenant {
  readonly tenantId: string
  readonly messages: readonly NewMessage[]
}

/**
 * Tenants and the keys of each in one order everywhere: two transactions that want the same keys
 * would otherwise wait for each other for ever.
 */
function byTenant(messages: readonly NewMessage[]): readonly OfTenant[] {
  const tenants = new Map<string, NewMessage[]>()
  for (const message of messages) {
    const { tenantId } = message.request
    const ofTenant = tenants.get(tenantId) ?? []
    ofTenant.push(message)
    tenants.set(tenantId, ofTenant)
  }
  return [...tenants]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([tenantId, ofTenant]) => ({ tenantId, messages: ofTenant.toSorted(byHash) }))
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

const StoredRow = z.object({ stored_id: z.string() })

/**
 * One call whatever the number of messages and tenants. Without a name, so that a pooler between us
 * and Postgres may give each transaction another connection. Of two equal keys the first row wins.
 */
const storeSubmits = (tenants: readonly OfTenant[]): Statement => ({
  text: 'SELECT stored_id FROM orch.store_submits($1)',
  values: [JSON.stringify(tenants.map(rowsOf))],
})

const rowsOf = ({ tenantId, messages }: OfTenant) => ({
  tenant_id: tenantId,
  messages: messages.map(messageRow),
  keys: messages.flatMap(keyRow),
  events: messages.map(eventRow),
})

/** By the columns of the table; those left out have the defaults of the function. */
const messageRow = ({ request, reply, claim }: NewMessage) => ({
  message_id: request.messageId,
  tenant_id: request.tenantId,
  account_id: request.accountId,
  to_msisdn: request.to,
  from_sender: request.from,
  body: request.body,
  segment_count: request.segmentCount,
  message_type: request.messageType,
  encoding: request.encoding,
  status: reply.status,
  idempotency_hash: claim?.hash,
  callback_url: request.callbackUrl,
  metadata: request.metadata,
  enqueued_at: request.enqueuedAt,
  status_updated_at: request.enqueuedAt,
  expires_at: request.expiresAt,
  send_at: request.sendAt,
})

const keyRow = ({ request, reply, claim }: NewMessage) =>
  claim === undefined
    ? []
    : [
        {
          hash: claim.hash,
          tenant_id: request.tenantId,
          account_id: request.accountId,
          message_id: request.messageId,
          request_fingerprint: claim.fingerprint,
          response_body: reply,
          created_at: request.enqueuedAt,
          expires_at: keyLifeEnds(request.enqueuedAt),
        },
      ]

const eventRow = ({ request, publication }: NewMessage) => ({
  message_id: request.messageId,
  event_id: request.eventId,
  tenant_id: request.tenantId,
  subject: publication.subject,
  msg_id: publication.msgId,
  headers: publication.headers,
  payload: request,
  created_at: request.enqueuedAt,
})

const forgetExpiredKeys = ({ tenantId, messages }: OfTenant): readonly Statement[] =>
  inTenant(tenantId, messages.flatMap(forgetExpiredKey))

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
