import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { FaultSchema, IDEMPOTENCY_KEY, SUBMIT_HEADERS, type Operation } from '../openapi/operation.ts'
import { PROBLEM } from '../openapi/schemas.ts'
import { Problem, problemBody, type Fault, type ProblemBody } from '../problem.ts'
import { identityOf, type ApiMiddleware, type ApiRouter } from '../state.ts'
import { parseCommand, SubmitBody, type ParsedCommand } from '../submit/command.ts'
import { SubmitReply } from '../submit/idempotency.ts'
import type { SubmitOutcome } from '../submit/submit.ts'
import { SEND_EXAMPLE, sendOperation } from './send.ts'
import { keyOf, shadowed, submitHead, type SubmitDeps } from './submit-head.ts'

/** [ER14] */
export const BULK_BYTES_MAX = 2 * 1024 * 1024
/** [SM12] */
export const ELEMENTS_MAX = 500
/**
 * Of the bound on what is in flight [ER19]: by its bytes a bulk is as much as this many submits.
 */
export const PLACES = 16
/** Elements read in one turn of the event loop: nobody else waits longer than these take. */
const SLICE = 25

const index = z.int().min(0)
const BulkReply = z.object({
  results: z.array(
    z.union([
      SubmitReply.extend({ index, warnings: z.array(FaultSchema).exactOptional() }),
      z.object({ index, status: z.literal('REJECTED'), error: PROBLEM.schema }),
    ]),
  ),
  accepted: z.int().min(0),
  rejected: z.int().min(0),
})

export const bulkOperation: Operation = {
  method: 'post',
  path: '/v1/sms/bulk',
  id: 'sendSmsBulk',
  summary: 'Submit up to 500 messages',
  description:
    'Every element is decided by itself: the valid ones are stored, each other one says why not. With an ' +
    '`Idempotency-Key` element i has the key followed by `:i`.',
  scope: 'sms:send',
  parameters: [IDEMPOTENCY_KEY],
  request: {
    name: 'BulkRequest',
    schema: z.object({ messages: z.array(SubmitBody).min(1).max(ELEMENTS_MAX) }),
    description: '1 to 500 messages.',
    example: { messages: [SEND_EXAMPLE] },
  },
  success: {
    status: 202,
    headers: SUBMIT_HEADERS,
    body: {
      name: 'BulkReply',
      schema: BulkReply,
      description: 'One result for each message, in order.',
      example: {
        results: [{ index: 0, ...Object(sendOperation.success.body.example) }],
        accepted: 1,
        rejected: 0,
      },
    },
  },
  problems: [],
}

/** [H2]: `POST /v1/sms/bulk`. */
export const addBulk = (router: ApiRouter, deps: SubmitDeps): void => {
  const head = submitHead(deps, { route: 'bulk', places: PLACES, bytesMax: BULK_BYTES_MAX })
  router.post('/v1/sms/bulk', ...head, bulk(deps))
}

const Envelope = z.object({ messages: z.array(z.unknown()).min(1).max(ELEMENTS_MAX) })

interface Element {
  readonly index: number
  readonly parsed: ParsedCommand
  outcome?: SubmitOutcome
}

type Result = { readonly index: number; readonly status: string } & Readonly<Record<string, unknown>>

const bulk =
  ({ submit, now, instruments, flags }: SubmitDeps): ApiMiddleware =>
  async (ctx) => {
    const isShadow = shadowed(ctx, flags())
    const elements = await read(ctx.state.json, now())
    const valid = elements.filter(({ parsed }) => parsed.ok)
    const key = keyOf(ctx)
    const items = valid.flatMap(({ index, parsed }) =>
      parsed.ok
        ? [{ command: parsed.command, idempotencyKey: key === undefined ? undefined : `${key}:${index}` }]
        : [],
    )
    const outcomes = await submit({ identity: identityOf(ctx), items, trace: ctx.state.trace, isShadow })
    valid.forEach((element, place) => Object.assign(element, { outcome: outcomes[place] }))
    const results = elements.map((element) => resultOf(element, ctx.state.requestId))
    const rejected = results.filter(({ status }) => status === 'REJECTED').length
    if (rejected > 0) instruments.submits.inc({ result: 'rejected' }, rejected)
    if (areReplays(outcomes)) ctx.set('Idempotency-Replayed', 'true')
    ctx.status = 202
    ctx.body = { results, accepted: results.length - rejected, rejected }
  }

async function read(json: unknown, nowMs: number): Promise<Element[]> {
  const envelope = Envelope.safeParse(json)
  if (!envelope.success)
    throw new Problem('INVALID_PAYLOAD', [
      { path: 'messages', message: `must be a list of 1 to ${ELEMENTS_MAX} messages` },
    ])
  const elements: Element[] = []
  for (const message of envelope.data.messages) {
    if (elements.length % SLICE === SLICE - 1) await nextTurn()
    elements.push({ index: elements.length, parsed: parseCommand(message, nowMs) })
  }
  return elements
}

/** [SM22] */
function areReplays(outcomes: readonly SubmitOutcome[]): boolean {
  const accepted = outcomes.filter(({ kind }) => kind === 'accepted' || kind === 'replayed')
  return accepted.length > 0 && accepted.every(({ kind }) => kind === 'replayed')
}

function resultOf({ index, parsed, outcome }: Element, requestId: string): Result {
  if (!parsed.ok) return rejected(index, problemOf(index, parsed, requestId))
  if (outcome?.kind === 'untimely') {
    const refusal = { code: 'INVALID_PAYLOAD', errors: outcome.errors } as const
    return rejected(index, problemOf(index, refusal, requestId))
  }
  if (outcome?.kind !== 'accepted' && outcome?.kind !== 'replayed')
    return rejected(index, problemBody(new Problem('IDEMPOTENCY_CONFLICT'), requestId))
  const { messageId, status, segmentCount, encoding, enqueuedAt, sendAt } = outcome.reply
  const warnings = parsed.warnings.map((warning) => within(index, warning))
  return {
    index,
    status,
    messageId,
    segmentCount,
    encoding,
    enqueuedAt,
    ...(sendAt !== undefined && { sendAt }),
    ...(warnings.length > 0 && { warnings }),
  }
}

const rejected = (index: number, error: ProblemBody): Result => ({ index, status: 'REJECTED', error })

const problemOf = (index: number, { code, errors }: Pick<Problem, 'code' | 'errors'>, requestId: string) =>
  problemBody(
    new Problem(
      code,
      errors.map((fault) => within(index, fault)),
    ),
    requestId,
  )

const within = (index: number, { path, message }: Fault): Fault => ({
  path: path === '' ? `messages[${index}]` : `messages[${index}].${path}`,
  message,
})
