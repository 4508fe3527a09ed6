import { z } from 'zod'
import { instant, uuid } from '../../../streams/contracts/topic.ts'
import type { Parameter } from '../../openapi/operation.ts'
import { Problem, type Fault } from '../../problem.ts'
import { instantIn } from '../../reading/message-list.ts'
import type { ApiRouteContext } from '../../state.ts'
import { text } from '../../submit/command.ts'
import type { Place } from './desk.ts'

/** [AD3] */
const EXPORT_DAYS_MAX = 31
const DAY_MS = 86_400_000
const LIMIT_MAX = 200
const LIMIT_DEFAULT = 50
const REASON_CHARS_MAX = 500

const operatorId = z.string().toLowerCase().pipe(uuid)
const PlaceText = z.tuple([instant, uuid])

const cursor = z.string().transform((given, context): Place => {
  const read = PlaceText.safeParse(parsedJson(Buffer.from(given, 'base64url').toString()))
  if (read.success) return { receivedAt: read.data[0], id: read.data[1] }
  context.issues.push({ code: 'custom', message: 'must be the nextCursor of an answer', input: undefined })
  return z.NEVER
})

/** Opaque to its readers: what it holds is our own order. */
export const cursorOf = ({ receivedAt, id }: Place): string =>
  Buffer.from(JSON.stringify([receivedAt, id])).toString('base64url')

export const QuarantineFilters = z.strictObject(
  {
    operatorId: operatorId.optional(),
    from: instantIn.optional(),
    to: instantIn.optional(),
    state: z.enum(['held', 'released'], 'must be held or released').optional(),
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

export const ExportFilters = z
  .strictObject(
    {
      from: instantIn,
      to: instantIn,
      operatorId: operatorId.optional(),
      format: z.enum(['ndjson', 'csv'], 'must be ndjson or csv').default('ndjson'),
    },
    'holds a filter that is not known',
  )
  .refine(({ from, to }) => from < to, { path: ['to'], message: 'must be after from' })
  .refine(({ from, to }) => Date.parse(to) - Date.parse(from) <= EXPORT_DAYS_MAX * DAY_MS, {
    path: ['to'],
    message: `must be at most ${EXPORT_DAYS_MAX} days after from`,
  })

const reason = text
  .trim()
  .min(1, 'must say why')
  .max(REASON_CHARS_MAX, `at most ${REASON_CHARS_MAX} characters`)

export const ReleaseBody = z.strictObject({ reason }, 'holds a field that is not known')
export const ReconcileBody = z.strictObject(
  {
    reason,
    messageId: z.string().toLowerCase().pipe(uuid),
    segmentIndex: z.int('must be a whole number').min(1).max(255),
  },
  'holds a field that is not known',
)

/** What is read, or INVALID_PAYLOAD with what is wrong with it, never with what was given. */
export function valid<T>(schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new Problem('INVALID_PAYLOAD', parsed.error.issues.map(faultOf))
}

/** Every parameter once: of two nobody could say which was meant. */
export function queryOf(ctx: ApiRouteContext): Readonly<Record<string, string>> {
  const parameters = new URLSearchParams(ctx.querystring)
  const names = [...parameters.keys()]
  if (new Set(names).size === names.length) return Object.fromEntries(parameters)
  throw new Problem('INVALID_PAYLOAD', [{ path: '', message: 'holds a filter twice' }])
}

const faultOf = ({ path, message }: z.core.$ZodIssue): Fault => ({
  path: path[0] === undefined ? '' : String(path[0]),
  message,
})

function parsedJson(given: string): unknown {
  try {
    return JSON.parse(given)
  } catch {
    return undefined
  }
}

const parameter = (name: string, description: string, schema: z.ZodType): Parameter => ({
  in: 'query',
  name,
  description,
  schema,
})

export const QUARANTINE_PARAMETERS: readonly Parameter[] = [
  parameter('operatorId', 'Of this operator.', QuarantineFilters.shape.operatorId),
  parameter('from', 'Received then or later.', QuarantineFilters.shape.from),
  parameter('to', 'Received before then.', QuarantineFilters.shape.to),
  parameter('state', 'Only those that are held, or were released.', QuarantineFilters.shape.state),
  parameter(
    'limit',
    `Receipts a page; ${LIMIT_DEFAULT} when not given.`,
    z.int().min(1).max(LIMIT_MAX).optional(),
  ),
  parameter('cursor', 'The `nextCursor` of the page before.', z.string().optional()),
]

export const EXPORT_PARAMETERS: readonly Parameter[] = [
  { ...parameter('from', 'Received then or later.', ExportFilters.shape.from), isRequired: true },
  {
    ...parameter(
      'to',
      `Received before then; at most ${EXPORT_DAYS_MAX} days after.`,
      ExportFilters.shape.to,
    ),
    isRequired: true,
  },
  parameter('operatorId', 'Of this operator.', ExportFilters.shape.operatorId),
  parameter(
    'format',
    '`ndjson` (when not given): one JSON object a line. `csv`: for a spreadsheet; a field that it would take for a ' +
      'formula begins with an apostrophe.',
    z.enum(['ndjson', 'csv']).optional(),
  ),
]
