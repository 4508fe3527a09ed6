import { hash } from 'node:crypto'

/** Far more clients than one process serves at a time; a digest and a few claims each. */
const TOKENS_MAX = 10_000
/**
 * For as long at most a token outlives its key after that has left the key set of the process
 * [ID12].
 */
const REMEMBERED_MS_MAX = 60_000

/** Tokens whose signature has been checked: the check is dearer than the rest of a request. */
export interface VerifiedTokens<T> {
  get(token: string): T | undefined
  /** Only after the check. `goodUntilMs`: when what the token says of itself must be read again. */
  add(token: string, verified: T, goodUntilMs: number): void
}

interface Remembered<T> {
  readonly verified: T
  /** A clock that is set back must not lengthen its life. */
  readonly fromMs: number
  readonly untilMs: number
}

/**
 * Kept by digest, so that a memory of tokens holds none that could be used, and long ones cost no
 * more. When it is full the one that was checked longest ago goes.
 */
export function verifiedTokens<T>(now: () => number, tokensMax = TOKENS_MAX): VerifiedTokens<T> {
  const remembered = new Map<string, Remembered<T>>()
  return {
    get(token) {
      const digest = digestOf(token)
      const known = remembered.get(digest)
      if (known === undefined || lives(known, now())) return known?.verified
      remembered.delete(digest)
      return undefined
    },
    add(token, verified, goodUntilMs) {
      const digest = digestOf(token)
      const fromMs = now()
      const untilMs = Math.min(goodUntilMs, fromMs + REMEMBERED_MS_MAX)
      // Behind all others again, also when it was known.
      remembered.delete(digest)
      remembered.set(digest, { verified, fromMs, untilMs })
      const [oldest] = remembered.keys()
      if (remembered.size > tokensMax && oldest !== undefined) remembered.delete(oldest)
    },
  }
}

const lives = ({ fromMs, untilMs }: Remembered<unknown>, nowMs: number): boolean =>
  fromMs <= nowMs && nowMs < untilMs

const digestOf = (token: string): string => hash('sha256', token, 'base64')
