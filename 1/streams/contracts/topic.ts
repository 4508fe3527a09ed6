import { z } from 'zod'

/**
 * A named log of values of one shape. The key is a function of the value. So no record can be filed
 * under the wrong key, and re-keying is always another topic.
 */
export interface Topic<V> {
  readonly name: string
  readonly schema: z.ZodType<V>
  // Method syntax on purpose: it lets a Topic<Receipt> stand where a Topic<unknown> is asked for.
  key(value: V): string
  headers(value: V): Readonly<Record<string, string>>
}

/** Topics by the names that a processor gives them. */
export type Topics = Readonly<Record<string, Topic<unknown>>>
export type ValueOf<T> = T extends Topic<infer V> ? V : never

interface Identified {
  readonly tenantId?: unknown
  readonly messageId?: unknown
  readonly operatorId?: unknown
}

/**
 * Defines a topic. `operatorHeader` adds X-Operator-ID: command, receipt, submit result and health
 * have it [EV53].
 */
export function topic<V extends object>(
  name: string,
  schema: z.ZodType<V>,
  key: (value: V) => string,
  options: { readonly operatorHeader?: true } = {},
): Topic<V> {
  // Assigned one by one: spreading an object for every header costs too much where every record
  // passes.
  const headers = (value: V & Identified): Readonly<Record<string, string>> => {
    const given: Record<string, string> = {}
    if (typeof value.tenantId === 'string') given['X-Tenant-Id'] = value.tenantId
    if (typeof value.messageId === 'string') given['X-Correlation-ID'] = value.messageId
    if (options.operatorHeader && typeof value.operatorId === 'string')
      given['X-Operator-ID'] = value.operatorId
    return given
  }
  return { name, schema, key, headers }
}

/** Where the unreadable records of a topic go. */
export const deadLetterTopicOf = (topic: string): string => `${topic}.deadletter`

export const SCHEMA_VERSION = '1.0'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/**
 * Strict enough that Date.parse takes every match: a text that only looks like a time would reach a
 * timer as NaN. Postgres knows no year 0 [DB78].
 */
const INSTANT =
  /^(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

/** Lower case [EV44]. */
export const uuid = z.string().regex(UUID, 'must be a lower-case uuid')
/** ISO 8601 UTC with milliseconds. */
export const instant = z.string().regex(INSTANT, 'must be an ISO 8601 UTC instant with milliseconds')
export const e164 = z.string().regex(/^\+[1-9]\d{1,14}$/, 'must be an E.164 number')
export const count = z.number().int().min(0)
/** Of a segment, and how many there are: the UDH counts in one octet [EN8], [DB78]. */
export const ordinal = z.number().int().min(1).max(255)
/** Of a request whose text is too long yet: it must reach FAILED, so it must be readable. */
export const segmentTotal = z.number().int().min(1).max(32_767)
/** Of the transitions of a message. */
export const sequence = z.number().int().min(1).max(2_147_483_647)
export const metadata = z.record(z.string(), z.string())

/** Carried by every event. Any 1.x is read as 1.0: minor versions only add optional fields. */
export const envelope = {
  schemaVersion: z.string().regex(/^1\.\d+$/, 'must be version 1.x'),
  eventId: uuid,
  occurredAt: instant,
}

/** Whose message it is [EV46]. */
export const ids = { messageId: uuid, tenantId: uuid, accountId: uuid }
