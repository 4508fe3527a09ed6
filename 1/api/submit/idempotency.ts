import { z } from 'zod'
import { uuid, instant } from '../../streams/contracts/topic.ts'
import { idempotencyHash, requestFingerprint } from '../../streams/domain/message/idempotency.ts'
import type { Identity } from '../middleware/token.ts'
import type { SubmitCommand } from './command.ts'

/** Both in Redis and in Postgres: [SM17], [DB4], [DB80]. */
export const KEY_LIFETIME_MS = 48 * 3_600_000

/** The 202 of a submit. Its members have this order also when it is replayed out of jsonb. */
export const SubmitReply = z.object({
  messageId: uuid,
  status: z.enum(['QUEUED', 'SCHEDULED']),
  segmentCount: z.number().int().min(1),
  encoding: z.enum(['GSM7', 'UCS2']),
  enqueuedAt: instant,
  /** Of a message that is SCHEDULED [SM8]. */
  sendAt: instant.exactOptional(),
})
export type SubmitReply = z.infer<typeof SubmitReply>

/** What a used key remembers. */
export const StoredReply = z.object({
  fingerprint: z.string(),
  /** From then on the key counts as new. */
  expiresAt: instant,
  reply: SubmitReply,
})
export type StoredReply = z.infer<typeof StoredReply>

/** A client's key in a request: which key (hash) for which content (fingerprint). */
export interface KeyClaim {
  readonly hash: string
  readonly fingerprint: string
}

export const claimOf = (
  { tenantId, accountId }: Pick<Identity, 'tenantId' | 'accountId'>,
  key: string,
  command: SubmitCommand,
): KeyClaim => ({
  hash: idempotencyHash(tenantId, accountId, key),
  fingerprint: requestFingerprint(command),
})

export type KeyVerdict = 'new' | 'replay' | 'conflict'

/** [SM17] to [SM19] */
export function judge(claim: KeyClaim, stored: StoredReply | undefined, nowMs: number): KeyVerdict {
  if (stored === undefined || Date.parse(stored.expiresAt) <= nowMs) return 'new'
  return stored.fingerprint === claim.fingerprint ? 'replay' : 'conflict'
}

const PRINTABLE = /^[\x20-\x7e]{1,255}$/
/** A string of RFC 8941 section 3.3.3: a quote and a backslash inside are escaped. */
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$/

/**
 * Bare or quoted, so that `order-42` and `"order-42"` are one key; undefined for anything
 * malformed.
 */
export function parseKey(header: string): string | undefined {
  const key = header.startsWith('"') ? QUOTED.exec(header)?.[1]?.replace(/\\(.)/g, '$1') : header
  return key !== undefined && PRINTABLE.test(key) ? key : undefined
}
