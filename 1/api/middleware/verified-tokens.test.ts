import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT, type GenerateKeyPairResult } from 'jose'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { tokenVerifier, type TokenVerifier } from './token.ts'
import { verifiedTokens } from './verified-tokens.ts'

const startMs = 1_776_507_820_000
let nowMs: number
let keyLooks: number
let pair: GenerateKeyPairResult
let verify: TokenVerifier

beforeAll(async () => {
  pair = await generateKeyPair('RS256')
})

beforeEach(async () => {
  nowMs = startMs
  keyLooks = 0
  const keys = createLocalJWKSet({
    keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'RS256' }],
  })
  verify = tokenVerifier(
    (header, token) => {
      keyLooks += 1
      return keys(header, token)
    },
    {
      algorithms: ['RS256'],
      issuer: 'issuer',
      audience: 'us',
      tenantClaim: 'tenant_id',
      now: () => nowMs,
    },
  )
})

const seconds = startMs / 1000
const signed = (times: { readonly iat?: number; readonly exp?: number } = {}): Promise<string> =>
  new SignJWT({
    iss: 'issuer',
    aud: 'us',
    tenant_id: '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21',
    iat: seconds,
    exp: seconds + 3_600,
    ...times,
  })
    .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
    .sign(pair.privateKey)

test('the signature of a token is checked once a minute, so a key that is gone is not believed for longer', async () => {
  const token = await signed()
  const claims = await verify(token)
  nowMs += 59_999
  expect(await verify(token)).toEqual(claims)
  expect(keyLooks).toBe(1)
  nowMs += 1
  expect(await verify(token)).toEqual(claims)
  expect(keyLooks).toBe(2)
})

test.each([
  ['that expires', { exp: seconds + 30 }, 30_000 + 5_000],
  ['of a day ago', { iat: seconds - 24 * 3_600 + 30 }, 30_000 + 6_000],
])('a token %s is refused at its end, also when it was good a moment before', async (_, times, goodMs) => {
  const token = await signed(times)
  nowMs += 29_000
  expect(await verify(token)).toBeDefined()
  nowMs = startMs + goodMs
  expect(await verify(token)).toBeUndefined()
})

test('a token whose signature has another last letter is another token', async () => {
  const token = await signed()
  expect(await verify(token)).toBeDefined()
  expect(await verify(`${token.slice(0, -3)}AAA`)).toBeUndefined()
  expect(await verify(`${token.slice(0, -3)}AAA`)).toBeUndefined()
  expect(keyLooks).toBe(3)
})

test('a clock that is set back lengthens no life', async () => {
  const token = await signed({ iat: seconds - 7_200 })
  await verify(token)
  nowMs -= 3_600_000
  await verify(token)
  expect(keyLooks).toBe(2)
})

test('the memory is bounded, and the token that was checked longest ago goes first', () => {
  const tokens = verifiedTokens<number>(() => nowMs, 2)
  for (const [token, value] of [['a', 1] as const, ['b', 2] as const, ['a', 3] as const, ['c', 4] as const])
    tokens.add(token, value, startMs + 60_000)
  expect(['a', 'b', 'c'].map((token) => tokens.get(token))).toEqual([3, undefined, 4])
})
