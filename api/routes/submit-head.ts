import type { Instruments } from '../instruments.ts'
import { admitted, type Admission } from '../middleware/admission.ts'
import { jsonBody } from '../middleware/body.ts'
import type { Flags } from '../middleware/flags.ts'
import { allowed } from '../middleware/identity.ts'
import { counted, submitMeasured } from '../middleware/metrics.ts'
import { spanned } from '../middleware/trace.ts'
import { Problem } from '../problem.ts'
import type { ApiContext, ApiMiddleware } from '../state.ts'
import { parseKey } from '../submit/idempotency.ts'
import type { Submit } from '../submit/submit.ts'

export interface SubmitDeps {
  readonly identify: ApiMiddleware
  readonly gate: Admission
  readonly submit: Submit
  readonly instruments: Instruments
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly flags: () => Flags
}

interface SubmitRoute {
  readonly route: string
  /** Of the bound on what is in flight [ER19]. */
  readonly places: number
  /** [ER14] */
  readonly bytesMax: number
}

/** What stands before every submit: who, whether there is room, and only then the body. */
export const submitHead = (
  { instruments, monotonicMs, identify, gate }: SubmitDeps,
  { route, places, bytesMax }: SubmitRoute,
): readonly ApiMiddleware[] => [
  counted(instruments, route),
  submitMeasured(instruments, monotonicMs),
  spanned('orch.http.submit'),
  identify,
  allowed('sms:send'),
  admitted(gate, places),
  jsonBody(bytesMax),
]

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
