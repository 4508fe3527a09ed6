import { trace } from '@opentelemetry/api'
import { parseCommand, type ParsedCommand } from '../submit/command.ts'
import { parseKey } from '../submit/idempotency.ts'
import type { Flags } from '../middleware/flags.ts'
import type { Instruments } from '../instruments.ts'
import { admitted, type Admission } from '../middleware/admission.ts'
import { jsonBody } from '../middleware/body.ts'
import { allowed } from '../middleware/identity.ts'
import { counted, submitMeasured } from '../middleware/metrics.ts'
import { spanned } from '../middleware/trace.ts'
import { Problem } from '../problem.ts'
import { identityOf, type ApiContext, type ApiMiddleware, type ApiRouter } from '../state.ts'
import type { Submit } from '../submit/submit.ts'

/** [ER14]. Kong refuses the same. */
export const SEND_BYTES_MAX = 64 * 1024

export interface SendDeps {
  readonly identify: ApiMiddleware
  readonly gate: Admission
  readonly submit: Submit
  readonly instruments: Instruments
  readonly now: () => number
  readonly flags: () => Flags
}

/** [H1]: `POST /v1/sms/send`, in the order of [SM23]. */
export const addSend = (router: ApiRouter, deps: SendDeps): void => {
  router.post(
    '/v1/sms/send',
    counted(deps.instruments, 'send'),
    submitMeasured(deps.instruments, deps.now),
    spanned('orch.http.submit'),
    deps.identify,
    allowed('sms:send'),
    admitted(deps.gate),
    jsonBody(SEND_BYTES_MAX),
    send(deps),
  )
}

const send =
  ({ submit, now, flags }: SendDeps): ApiMiddleware =>
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

export function keyOf(ctx: ApiContext): string | undefined {
  const header = ctx.req.headers['idempotency-key']
  if (header === undefined) return undefined
  const key = typeof header === 'string' ? parseKey(header) : undefined
  if (key !== undefined) return key
  throw new Problem('INVALID_HEADER', [
    { path: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters, bare or quoted' },
  ])
}

/** [FL2]. Asked once a request: the flag may change while it is being worked on. */
export function shadowed(ctx: ApiContext, { shadow }: Flags): boolean {
  if (shadow) ctx.set('X-Shadow', 'true')
  return shadow
}
