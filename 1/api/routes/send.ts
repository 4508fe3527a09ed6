import { trace } from '@opentelemetry/api'
import { z } from 'zod'
import { FaultSchema, IDEMPOTENCY_KEY, SUBMIT_HEADERS, type Operation } from '../openapi/operation.ts'
import { Problem } from '../problem.ts'
import { identityOf, type ApiMiddleware, type ApiRouter } from '../state.ts'
import { parseCommand, SubmitBody, type ParsedCommand } from '../submit/command.ts'
import { SubmitReply } from '../submit/idempotency.ts'
import { keyOf, shadowed, submitHead, type SubmitDeps } from './submit-head.ts'

/** [ER14]. Kong refuses the same. */
export const SEND_BYTES_MAX = 64 * 1024

export const SEND_EXAMPLE = {
  to: '+447700900123',
  from: 'GHASI',
  body: 'Your code is 4711',
  metadata: { campaignId: 'camp-001' },
}

export const sendOperation: Operation = {
  method: 'post',
  path: '/v1/sms/send',
  id: 'sendSms',
  summary: 'Submit one message',
  description:
    'Stores the message and answers before it is sent. Unknown fields are ignored and named in `warnings`.',
  scope: 'sms:send',
  parameters: [IDEMPOTENCY_KEY],
  request: { name: 'SubmitRequest', schema: SubmitBody, description: 'One message.', example: SEND_EXAMPLE },
  success: {
    status: 202,
    headers: SUBMIT_HEADERS,
    body: {
      name: 'SubmitReply',
      schema: SubmitReply.extend({ warnings: z.array(FaultSchema).exactOptional() }),
      description: 'The message is stored, or has been by an earlier request of the same key.',
      example: {
        messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
        status: 'QUEUED',
        segmentCount: 1,
        encoding: 'GSM7',
        enqueuedAt: '2026-04-18T10:23:40.000Z',
      },
    },
  },
  problems: ['INVALID_DESTINATION', 'SMS_BODY_TOO_LONG', 'IDEMPOTENCY_CONFLICT'],
}

/** [H1]: `POST /v1/sms/send`, in the order of [SM23]. */
export const addSend = (router: ApiRouter, deps: SubmitDeps): void => {
  const head = submitHead(deps, { route: 'send', places: 1, bytesMax: SEND_BYTES_MAX })
  router.post('/v1/sms/send', ...head, send(deps))
}

const send =
  ({ submit, now, flags }: SubmitDeps): ApiMiddleware =>
  async (ctx) => {
    const isShadow = shadowed(ctx, flags())
    const { command, warnings } = validated(ctx.state.json, now())
    const [outcome] = await submit({
      identity: identityOf(ctx),
      items: [{ command, idempotencyKey: keyOf(ctx) }],
      trace: ctx.state.trace,
      isShadow,
    })
    if (outcome === undefined) throw new Error('the use case gave no outcome for the only item')
    if (outcome.kind === 'conflict') throw new Problem('IDEMPOTENCY_CONFLICT')
    if (outcome.kind === 'untimely') throw new Problem('INVALID_PAYLOAD', outcome.errors)
    if (outcome.kind === 'replayed') ctx.set('Idempotency-Replayed', 'true')
    ctx.status = 202
    // Not part of what is stored: they are about this request, also when it is a replay.
    ctx.body = { ...outcome.reply, ...(warnings.length > 0 && { warnings }) }
  }

type Taken = Extract<ParsedCommand, { readonly ok: true }>

const validated = (json: unknown, nowMs: number): Taken =>
  trace.getTracer('api').startActiveSpan('orch.validate', (span) => {
    const parsed = parseCommand(json, nowMs)
    span.end()
    if (parsed.ok) return parsed
    throw new Problem(parsed.code, parsed.errors)
  })
