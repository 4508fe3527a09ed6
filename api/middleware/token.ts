import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import { uuid } from '../../streams/contracts/topic.ts'
import { DependencyUnavailable } from '../problem.ts'
import { verifiedTokens } from './verified-tokens.ts'

/**
 * On whose behalf a request is made. Everything that is read or written is narrowed by tenant and
 * account.
 */
export interface Identity {
  readonly tenantId: string
  readonly accountId: string
  readonly scopes: ReadonlySet<Scope>
}

export type Scope = 'sms:send' | 'sms:read'

/** Signatures by key pair only: with a shared secret, whoever verifies could also sign. */
export const SIGNING_ALGORITHMS = ['RS256', 'ES256'] as const
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

/** What a token says about its bearer. */
export interface TokenClaims {
  readonly tenantId: string
  readonly accountId: string | undefined
  readonly scopes: ReadonlySet<Scope>
  readonly platformAdmin: boolean
  /** Who its bearer is, where something is kept of who did it. */
  readonly subject: string | undefined
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
  /** [ID11]: without the list every algorithm that fits the key would be taken. */
  readonly algorithms: readonly SigningAlgorithm[]
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

const TOKEN_AGE_SECONDS_MAX = 24 * 3_600
// Two hosts' clocks are never equal; a token fresh from its issuer must not look as if it came from
// the future.
const CLOCK_TOLERANCE_SECONDS = 5

/** [ID7]. What the token itself says about keys (jwk, jku, x5u) is never looked at. */
export function tokenVerifier(keys: JWTVerifyGetKey, options: TokenOptions): TokenVerifier {
  const rules = {
    algorithms: [...options.algorithms],
    issuer: options.issuer,
    audience: options.audience,
    requiredClaims: ['exp'],
    maxTokenAge: TOKEN_AGE_SECONDS_MAX,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  }
  const verified = verifiedTokens<TokenClaims>(options.now)
  return async (token) => {
    const known = verified.get(token)
    if (known !== undefined) return known
    try {
      const currentDate = new Date(options.now())
      const { payload } = await jwtVerify(token, keys, { ...rules, currentDate })
      const claims = claimsOf(payload, options.tenantClaim)
      if (claims !== undefined) verified.add(token, claims, goodUntilMs(payload))
      return claims
    } catch (error) {
      if (isTokenFault(error)) return undefined
      // A key of the set that cannot be used (too short, unreadable) is the provider's fault.
      throw error instanceof DependencyUnavailable ? error : new DependencyUnavailable('jwks', error)
    }
  }
}

/** By its own times; whether it was good from a moment on cannot change any more. */
const goodUntilMs = ({ exp = 0, iat = 0 }: JWTPayload): number =>
  Math.min(exp, iat + TOKEN_AGE_SECONDS_MAX) * 1_000

const isTokenFault = (error: unknown): boolean =>
  error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid)

/** Given as a list or separated by blanks. The claims `scope` and `roles` are ours (ADR 0008). */
const words = z
  .union([z.string().transform((value) => value.split(' ')), z.array(z.string())])
  .catch([])
  .readonly()
/** `sub` (RFC 7519): a name that an audit row can hold. */
const SUBJECT_CHARS_MAX = 255
const subject = z
  .string()
  .min(1)
  .max(SUBJECT_CHARS_MAX)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u)
  .optional()
  .catch(undefined)
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
    subject: subject.parse(payload['sub']),
  }
}

function scopesOf(given: readonly string[], roles: readonly string[]): ReadonlySet<Scope> {
  const direct = SCOPES.filter((scope) => given.includes(scope))
  const byRole = roles.flatMap((role) => (Object.hasOwn(ROLE_SCOPES, role) ? (ROLE_SCOPES[role] ?? []) : []))
  return new Set([...direct, ...byRole])
}
