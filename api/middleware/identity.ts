import type { IncomingMessage } from 'node:http'
import { uuid } from '../../streams/contracts/topic.ts'
import { Problem } from '../problem.ts'
import { identityOf, type ApiContext, type ApiMiddleware } from '../state.ts'
import type { Identity, Scope, TokenVerifier } from './token.ts'

/** Two of one of these could mean one thing to Kong and another to us [ID13]. */
const ONCE_ONLY = ['X-Tenant-Id', 'X-Account-Id', 'Idempotency-Key', 'Authorization'] as const

/** An API key says nothing about scopes, so its bearer may do what an account does (ours). */
const KEY_SCOPES: ReadonlySet<Scope> = new Set(['sms:send', 'sms:read'])

/**
 * Finds out on whose behalf a request is made. A bearer token says so, and its signature is checked
 * again [ID7]. Without one the headers count that Kong sets on routes with API keys [ID6]. As yet
 * these are believed without a proof [ID10], so this API must be reachable only from Kong.
 */
export const identified =
  (verify: TokenVerifier): ApiMiddleware =>
  async (ctx, next) => {
    refuseRepeated(ctx.req)
    const authorization = ctx.req.headers.authorization
    ctx.state.identity =
      authorization === undefined ? byApiKey(ctx) : await byToken(ctx, authorization, verify)
    await next()
  }

export const allowed =
  (scope: Scope): ApiMiddleware =>
  async (ctx, next) => {
    if (!identityOf(ctx).scopes.has(scope)) throw new Problem('FORBIDDEN')
    await next()
  }

function refuseRepeated(request: IncomingMessage): void {
  const errors = ONCE_ONLY.filter((name) => occurrences(request, name) > 1).map((path) => ({
    path,
    message: 'must be given once',
  }))
  if (errors.length > 0) throw new Problem('INVALID_HEADER', errors)
}

/** On the raw list, because Node drops or joins repeated headers before anybody else sees them. */
function occurrences(request: IncomingMessage, name: string): number {
  const wanted = name.toLowerCase()
  return request.rawHeaders.filter((entry, index) => index % 2 === 0 && entry.toLowerCase() === wanted).length
}

async function byToken(ctx: ApiContext, authorization: string, verify: TokenVerifier): Promise<Identity> {
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  const claims = token === undefined ? undefined : await verify(token)
  if (claims === undefined) throw new Problem('UNAUTHENTICATED')
  if (idHeader(ctx, 'X-Tenant-Id') !== claims.tenantId) throw new Problem('TENANT_MISMATCH')
  const accountId = claims.accountId ?? idHeader(ctx, 'X-Account-Id')
  if (accountId === undefined) throw new Problem('FORBIDDEN')
  return { ...claims, accountId }
}

function byApiKey(ctx: ApiContext): Identity {
  // Kong says anonymous when it let a request through without credentials.
  if (ctx.get('X-Api-Key-Id') === '' || ctx.get('X-Anonymous-Consumer') === 'true')
    throw new Problem('UNAUTHENTICATED')
  const tenantId = idHeader(ctx, 'X-Tenant-Id')
  const accountId = idHeader(ctx, 'X-Account-Id')
  if (tenantId === undefined) throw new Problem('TENANT_MISMATCH')
  if (accountId === undefined) throw new Problem('UNAUTHENTICATED')
  return { tenantId, accountId, scopes: KEY_SCOPES, platformAdmin: false }
}

function idHeader(ctx: ApiContext, name: 'X-Tenant-Id' | 'X-Account-Id'): string | undefined {
  const given = ctx.get(name).toLowerCase()
  if (given === '') return undefined
  if (uuid.safeParse(given).success) return given
  throw new Problem('INVALID_HEADER', [{ path: name, message: 'must be a uuid' }])
}
