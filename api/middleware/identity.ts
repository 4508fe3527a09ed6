import { uuid } from '../../streams/contracts/topic.ts'
import { Problem } from '../problem.ts'
import { identityOf, type ApiContext, type ApiMiddleware } from '../state.ts'
import { SIGNED_HEADERS, type GatewayProof } from './gateway-proof.ts'
import type { Identity, Scope, TokenClaims, TokenVerifier } from './token.ts'

/** Two of one of these could mean one thing to Kong and another to us [ID13]. */
const ONCE_ONLY = [
  ...SIGNED_HEADERS,
  'Idempotency-Key',
  'Authorization',
  'Host',
  'X-Gateway-Signature',
  'X-Anonymous-Consumer',
]
/** [ID13]. The listener lets all through to this check that fit its bytes. */
const HEADERS_MAX = 100

/** An API key says nothing about scopes, so its bearer may do what an account does (ours). */
const KEY_SCOPES: ReadonlySet<Scope> = new Set(['sms:send', 'sms:read'])

export interface Credentials {
  readonly verify: TokenVerifier
  /** [ID10]: undefined in the mode `jwt`, where only a token identifies a caller. */
  readonly gateway: GatewayProof | undefined
}

/**
 * Finds out on whose behalf a request is made [ID10]. A bearer token says so, and its signature is
 * checked again [ID7]. Without one the headers count that Kong sets on routes with API keys [ID6],
 * but only where the process is told to take them, and with the gateway's proof.
 */
export const identified =
  (credentials: Credentials): ApiMiddleware =>
  async (ctx, next) => {
    ctx.state.identity =
      ctx.req.headers.authorization === undefined
        ? byApiKey(ctx, credentials.gateway)
        : await byToken(ctx, credentials.verify)
    await next()
  }

export const allowed =
  (scope: Scope): ApiMiddleware =>
  async (ctx, next) => {
    if (!identityOf(ctx).scopes.has(scope)) throw new Problem('FORBIDDEN')
    await next()
  }

/**
 * Before anything reads a header [ID13]. On the raw list, because Node drops or joins repeated
 * headers before anybody else sees them.
 */
export const headersChecked = async (ctx: ApiContext, next: () => Promise<void>): Promise<void> => {
  const names = ctx.req.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
  if (names.length > HEADERS_MAX)
    throw new Problem('INVALID_HEADER', [{ path: '', message: `must be at most ${HEADERS_MAX} headers` }])
  if (ctx.req.httpVersion === '1.1' && !names.includes('host'))
    throw new Problem('INVALID_HEADER', [{ path: 'Host', message: 'must be given' }])
  const errors = ONCE_ONLY.filter((name) => timesIn(names, name) > 1).map((path) => ({
    path,
    message: 'must be given once',
  }))
  if (errors.length > 0) throw new Problem('INVALID_HEADER', errors)
  await next()
}

const timesIn = (names: readonly string[], wanted: string): number =>
  names.filter((name) => name === wanted.toLowerCase()).length

/** What the bearer's token says, once the gateway says the same of the tenant [ID9]. */
export async function claimsOf(ctx: ApiContext, verify: TokenVerifier): Promise<TokenClaims> {
  const token = /^Bearer +(\S+)$/i.exec(ctx.req.headers.authorization ?? '')?.[1]
  const claims = token === undefined ? undefined : await verify(token)
  if (claims === undefined) throw new Problem('UNAUTHENTICATED')
  if (idHeader(ctx, 'X-Tenant-Id') !== claims.tenantId) throw new Problem('TENANT_MISMATCH')
  return claims
}

async function byToken(ctx: ApiContext, verify: TokenVerifier): Promise<Identity> {
  const claims = await claimsOf(ctx, verify)
  // The header is no way around it: any client may write one [ID8].
  const { accountId } = claims
  if (accountId === undefined) throw new Problem('FORBIDDEN')
  return { tenantId: claims.tenantId, accountId, scopes: claims.scopes }
}

function byApiKey(ctx: ApiContext, isGateways: GatewayProof | undefined): Identity {
  if (isGateways === undefined || !isGateways(ctx.req)) throw new Problem('UNAUTHENTICATED')
  // Kong says anonymous when it let a request through without credentials.
  if (ctx.get('X-Api-Key-Id') === '' || ctx.get('X-Anonymous-Consumer') === 'true')
    throw new Problem('UNAUTHENTICATED')
  const tenantId = idHeader(ctx, 'X-Tenant-Id')
  const accountId = idHeader(ctx, 'X-Account-Id')
  if (tenantId === undefined) throw new Problem('TENANT_MISMATCH')
  if (accountId === undefined) throw new Problem('UNAUTHENTICATED')
  return { tenantId, accountId, scopes: KEY_SCOPES }
}

function idHeader(ctx: ApiContext, name: 'X-Tenant-Id' | 'X-Account-Id'): string | undefined {
  const given = ctx.get(name).toLowerCase()
  if (given === '') return undefined
  if (uuid.safeParse(given).success) return given
  throw new Problem('INVALID_HEADER', [{ path: name, message: 'must be a uuid' }])
}
