import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { DependencyUnavailable } from '../problem.ts'

export interface SigningKeysOptions {
  /** Gives the provider's JWKS; rejects when it cannot be had. */
  readonly fetchKeys: () => Promise<JSONWebKeySet>
  /**
   * A clock that nobody sets: these are ages of keys. After a jump of the wall clock good keys
   * would count as too old, or no refresh would be tried until the time of the last one comes
   * again.
   */
  readonly monotonicMs: () => number
}

/** [ID7]: older keys are looked for anew, behind the requests. */
const FRESH_MS = 300_000
/** [ID12]: so long may the provider be away. */
const LAST_GOOD_MS = 24 * 3_600_000
/**
 * [ID12]: what an unknown kid may cost the provider, and so how often a failed refresh is tried.
 */
const REFRESH_EVERY_MS = 30_000
/** Without any key nothing can be verified, so the first ones are asked for more eagerly. */
const FIRST_KEYS_EVERY_MS = 1_000

interface KeySet {
  readonly find: JWTVerifyGetKey
  readonly fetchedMs: number
}

/**
 * The keys that tokens are verified with [ID7], [ID12]. The last good set is used for 24 h while
 * the provider is away. No request waits for a refresh but one whose key is not known, and that
 * happens once in 30 s whatever tokens come: a flood of invented kids must not become a flood on
 * the provider. Throws DependencyUnavailable only when there is no set at all.
 */
export function signingKeys({ fetchKeys, monotonicMs }: SigningKeysOptions): JWTVerifyGetKey {
  let current: KeySet | undefined
  let triedMs = Number.NEGATIVE_INFINITY
  let refreshing: Promise<void> | undefined

  const refresh = (everyMs: number): Promise<void> => {
    if (refreshing === undefined && monotonicMs() - triedMs < everyMs) return Promise.resolve()
    refreshing ??= load().finally(() => (refreshing = undefined))
    return refreshing
  }
  const load = async (): Promise<void> => {
    triedMs = monotonicMs()
    const keys = await fetchKeys()
    current = { find: createLocalJWKSet(keys), fetchedMs: monotonicMs() }
  }
  const usable = (): KeySet | undefined =>
    current !== undefined && monotonicMs() - current.fetchedMs < LAST_GOOD_MS ? current : undefined

  const keySet = async (): Promise<KeySet> => {
    const known = usable()
    if (known === undefined) return first()
    // The last good keys serve meanwhile; why this failed is told when they, too, are too old.
    if (monotonicMs() - known.fetchedMs >= FRESH_MS) refresh(REFRESH_EVERY_MS).catch(() => undefined)
    return known
  }
  const first = async (): Promise<KeySet> => {
    const cause: unknown = await refresh(FIRST_KEYS_EVERY_MS).catch((error: unknown) => error)
    const loaded = usable()
    if (loaded === undefined) throw new DependencyUnavailable('jwks', cause)
    return loaded
  }

  return async (header, token) => {
    const known = await keySet()
    try {
      return await known.find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await refresh(REFRESH_EVERY_MS).catch(() => undefined)
      if (current === undefined || current === known) throw error
      return current.find(header, token)
    }
  }
}

const FETCH_MS_MAX = 2_000

/**
 * Redirects are not followed: whoever could answer one would choose the keys.
 * @throws when the provider does not answer 200 with a JWKS.
 */
export const remoteKeySet = (url: string) => async (): Promise<JSONWebKeySet> => {
  const answer = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  })
  if (answer.status !== 200) throw new Error(`the key set is answered with ${answer.status}`)
  const body: unknown = await answer.json()
  if (!isKeySet(body)) throw new Error('the answer is no key set')
  return body
}

/** An empty set would turn every good token away until the next refresh. */
const isKeySet = (body: unknown): body is JSONWebKeySet =>
  typeof body === 'object' &&
  body !== null &&
  'keys' in body &&
  Array.isArray(body.keys) &&
  body.keys.length > 0
