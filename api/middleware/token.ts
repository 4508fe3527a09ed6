import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import { uuid } from '../../streams/contracts/topic.ts'
import { DependencyUnavailable } from '../problem.ts'

/**
 * On whose behalf a request is made. Everything that is read or written is narrowed by tenant and
 * account.
 */
export interface Identity {
  readonly tenantId: string
  readonly accountId: string
  readonly scopes: ReadonlySet<Scope>
  readonly platformAdmin: boolean
}

export type Scope = 'sms:send' | 'sms:read'

/** What a token says about its bearer; the account may come from a header instead. */
export interface TokenClaims {
  readonly tenantId: string
  readonly accountId: string | undefined
  readonly scopes: ReadonlySet<Scope>
  readonly platformAdmin: boolean
}

/**
 * Undefined for a token that is not valid. Throws DependencyUnavailable when the keys cannot be
 * had.
 */
export type TokenVerifier = (token: string) => Promise<TokenClaims | undefined>

export interface TokenOptions {
  readonly issuer: string
  readonly audience: string
  /** Looked at before `tid`. */
  readonly tenantClaim: string
  readonly now: () => number
}

/** [ID14] */
export const ROLE_SCOPES: Readonly<Record<string, readonly Scope[]>> = {
  'account.sender': ['sms:send', 'sms:read'],
  'account.admin': ['sms:send', 'sms:read'],
  'account.reader': ['sms:read'],
}
const SCOPES: readonly Scope[] = ['sms:send', 'sms:read']
const ADMIN_ROLE = 'platform.admin'

const TOKEN_AGE_MAX = '24h'
// Two hosts' clocks are never equal; a token fresh from its issuer must not look as if it came from
// the future.
const CLOCK_TOLERANCE_SECONDS = 5

/**
 * The keys are fetched at the first token, again after five minutes [ID7], and when a token names
 * an unknown key. As yet older keys do not stay valid while the provider is away [ID12].
 */
export const remoteKeys = (url: string): JWTVerifyGetKey =>
  createRemoteJWKSet(new URL(url), { cacheMaxAge: 300_000, timeoutDuration: 2_000 })

/** RS256 only [ID7]: without the list every algorithm that fits the key would be taken. */
export function tokenVerifier(keys: JWTVerifyGetKey, options: TokenOptions): TokenVerifier {
  const rules = {
    algorithms: ['RS256'],
    issuer: options.issuer,
    audience: options.audience,
    requiredClaims: ['exp'],
    maxTokenAge: TOKEN_AGE_MAX,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  }
  return async (token) => {
    try {
      const currentDate = new Date(options.now())
      const { payload } = await jwtVerify(token, keys, { ...rules, currentDate })
      return claimsOf(payload, options.tenantClaim)
    } catch (error) {
      if (isTokenFault(error)) return undefined
      throw new DependencyUnavailable('jwks', error)
    }
  }
}

// What jose throws without a subclass (keys that answer other than 200 or not as JSON) or from
// fetch is not the token's fault.
const isTokenFault = (error: unknown): boolean =>
  error instanceof errors.JOSEError &&
  error.constructor !== errors.JOSEError &&
  !(error instanceof errors.JWKSTimeout) &&
  !(error instanceof errors.JWKSInvalid)

/** Given as a list or separated by blanks. The claims `scope` and `roles` are ours (ADR 0008). */
const words = z
  .union([z.string().transform((value) => value.split(' ')), z.array(z.string())])
  .catch([])
  .readonly()
const id = z.string().toLowerCase().pipe(uuid)

function claimsOf(payload: JWTPayload, tenantClaim: string): TokenClaims | undefined {
  const tenant = id.safeParse(payload[tenantClaim] ?? payload['tid'])
  if (!tenant.success) return undefined
  const account = id.optional().safeParse(payload['account_id'])
  if (!account.success) return undefined
  const roles = words.parse(payload['roles'])
  return {
    tenantId: tenant.data,
    accountId: account.data,
    scopes: scopesOf(words.parse(payload['scope']), roles),
    platformAdmin: roles.includes(ADMIN_ROLE),
  }
}

function scopesOf(given: readonly string[], roles: readonly string[]): ReadonlySet<Scope> {
  const direct = SCOPES.filter((scope) => given.includes(scope))
  const byRole = roles.flatMap((role) => (Object.hasOwn(ROLE_SCOPES, role) ? (ROLE_SCOPES[role] ?? []) : []))
  return new Set([...direct, ...byRole])
}
