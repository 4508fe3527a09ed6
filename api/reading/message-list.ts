import { z } from 'zod'
import { instant, uuid } from '../../streams/contracts/topic.ts'
import { parseDestination } from '../../streams/domain/message/msisdn.ts'
import { MESSAGE_STATUSES } from '../../streams/domain/statuses.ts'
import type { Statement } from '../postgres.ts'
import type { Fault } from '../problem.ts'
import { text } from '../submit/command.ts'
import { VIEW_COLUMNS } from './message-view.ts'

/** [H15] */
export const LIMIT_MAX = 200
const LIMIT_DEFAULT = 50
/** Each is one condition on jsonb, which no index helps. */
const METADATA_FILTERS_MAX = 5

export interface ListQuery {
  readonly status?: string | undefined
  readonly to?: string | undefined
  readonly from?: string | undefined
  /** `since` included, `until` not. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly metadata: Readonly<Record<string, string>>
  readonly limit: number
  readonly after?: Place | undefined
}

/** Of the last message of a page. */
export interface Place {
  readonly enqueuedAt: string
  readonly messageId: string
}

export type ParsedQuery =
  | { readonly ok: true; readonly query: ListQuery }
  | { readonly ok: false; readonly errors: readonly Fault[] }

export const instantIn = z.iso
  .datetime({ offset: true, error: 'must be an ISO 8601 instant' })
  .transform((given) => new Date(given).toISOString())
  // A year that Postgres does not know would be a defect of ours.
  .pipe(instant)

/** `+` is a blank in a query; nobody means a number that begins with one. */
const destination = z
  .string()
  .transform((given) => parseDestination(given.replace(/^ /, '+')))
  .refine((parsed) => parsed.ok, 'must be a number in international form')
  .transform((parsed) => (parsed.ok ? parsed.e164 : ''))

const cursor = z.string().transform((given, context): Place => {
  const place = placeOf(given)
  if (place !== undefined) return place
  context.issues.push({ code: 'custom', message: 'must be the nextCursor of an answer', input: undefined })
  return z.NEVER
})

const Filters = z.strictObject(
  {
    status: z.enum(MESSAGE_STATUSES, 'must be a status').optional(),
    to: destination.optional(),
    from: text.max(20, 'must have at most 20 characters').optional(),
    since: instantIn.optional(),
    until: instantIn.optional(),
    limit: z.coerce
      .number('must be a number')
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(LIMIT_MAX, `must be at most ${LIMIT_MAX}`)
      .default(LIMIT_DEFAULT),
    cursor: cursor.optional(),
  },
  'holds a filter that is not known',
)

const METADATA_PREFIX = 'metadata.'

/** What may be asked, for the reference. */
export const LIST_PARAMETERS = [
  { name: 'status', description: 'In this status.', schema: Filters.shape.status },
  { name: 'to', description: 'To this number.', schema: Filters.shape.to },
  { name: 'from', description: 'From this sender.', schema: Filters.shape.from },
  { name: 'since', description: 'Accepted then or later.', schema: Filters.shape.since },
  { name: 'until', description: 'Accepted before then.', schema: Filters.shape.until },
  {
    name: 'metadata',
    description: 'Whose metadata hold this, at most 5: `metadata.campaignId=camp-001`.',
    schema: z.record(z.templateLiteral([METADATA_PREFIX, z.string()]), z.string()),
    isFreeForm: true,
  },
  {
    name: 'limit',
    description: `Messages a page; ${LIMIT_DEFAULT} when not given.`,
    schema: z.int().min(1).max(LIMIT_MAX).optional(),
  },
  { name: 'cursor', description: 'The `nextCursor` of the page before.', schema: z.string().optional() },
] as const

/** Every parameter once: of two nobody could say which was meant. */
export function parseQuery(parameters: URLSearchParams): ParsedQuery {
  const names = [...parameters.keys()]
  const repeated = names.filter((name, index) => names.indexOf(name) !== index)
  if (repeated.length > 0) return refused('', 'holds a filter twice')
  const entries = [...parameters].filter(([name]) => name.startsWith(METADATA_PREFIX))
  const metadata = Object.fromEntries(
    entries.map(([name, value]) => [name.slice(METADATA_PREFIX.length), value]),
  )
  if (entries.length > METADATA_FILTERS_MAX)
    return refused('metadata', `at most ${METADATA_FILTERS_MAX} filters`)
  if (entries.flat().some((part) => !text.safeParse(part).success))
    return refused('metadata', 'must not hold NUL')
  const plain = Object.fromEntries([...parameters].filter(([name]) => !name.startsWith(METADATA_PREFIX)))
  const parsed = Filters.safeParse(plain)
  if (!parsed.success) return { ok: false, errors: parsed.error.issues.map(faultOf) }
  const { cursor: after, ...filters } = parsed.data
  return { ok: true, query: { ...filters, metadata, after } }
}

const refused = (path: string, message: string): ParsedQuery => ({ ok: false, errors: [{ path, message }] })

const faultOf = (issue: z.core.$ZodIssue): Fault => ({
  path: issue.path[0] === undefined ? '' : String(issue.path[0]),
  message: issue.message,
})

const PlaceText = z.tuple([instant, uuid])

function placeOf(given: string): Place | undefined {
  try {
    const read = PlaceText.safeParse(JSON.parse(Buffer.from(given, 'base64url').toString()))
    return read.success ? { enqueuedAt: read.data[0], messageId: read.data[1] } : undefined
  } catch {
    return undefined
  }
}

/** Opaque to clients: what it holds is our own order, newest first. */
export const cursorOf = ({ enqueuedAt, messageId }: Place): string =>
  Buffer.from(JSON.stringify([enqueuedAt, messageId])).toString('base64url')

/**
 * One row more than asked for tells whether there is another page. Absent filters are null, so that
 * the text is one and the same whatever is asked.
 */
export const selectList = (tenantId: string, accountId: string, query: ListQuery): Statement => ({
  text: `SELECT ${VIEW_COLUMNS} FROM orch.sms_messages
    WHERE tenant_id = $1 AND account_id = $2
      AND ($3::text IS NULL OR status = $3) AND ($4::text IS NULL OR to_msisdn = $4)
      AND ($5::text IS NULL OR from_sender = $5)
      AND ($6::timestamptz IS NULL OR enqueued_at >= $6) AND ($7::timestamptz IS NULL OR enqueued_at < $7)
      AND ($8::jsonb IS NULL OR metadata @> $8)
      AND ($9::timestamptz IS NULL OR (enqueued_at, message_id) < ($9, $10::uuid))
    ORDER BY enqueued_at DESC, message_id DESC LIMIT $11`,
  values: [
    tenantId,
    accountId,
    query.status ?? null,
    query.to ?? null,
    query.from ?? null,
    query.since ?? null,
    query.until ?? null,
    Object.keys(query.metadata).length > 0 ? JSON.stringify(query.metadata) : null,
    query.after?.enqueuedAt ?? null,
    query.after?.messageId ?? null,
    query.limit + 1,
  ],
})
