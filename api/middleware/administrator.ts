import { Problem } from '../problem.ts'
import type { ApiContext, ApiMiddleware } from '../state.ts'
import type { Admission } from './admission.ts'
import { claimsOf, type Credentials } from './identity.ts'

/**
 * Only for bearers of a token with the role `platform.admin`, and with a subject: the audit row
 * must say who it was. They need no account, and an API key is never one (ADR 0008). What they get
 * may be personal data, so nobody on the way keeps it.
 */
export const administrators =
  ({ verify }: Credentials, gate: Admission): ApiMiddleware =>
  async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store')
    const { tenantId, platformAdmin, subject } = await claimsOf(ctx, verify)
    if (!platformAdmin || subject === undefined) throw new Problem('FORBIDDEN')
    const leave = gate.enter(tenantId, 1)
    if (leave === undefined) throw new Problem('OVERLOADED')
    ctx.state.administrator = subject
    try {
      await next()
    } finally {
      leave()
    }
  }

export function administratorOf(ctx: ApiContext): string {
  if (ctx.state.administrator === undefined)
    throw new Error('the route lacks the middleware of administrators: nobody may be served unidentified')
  return ctx.state.administrator
}
