import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTHeaderParameters } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { DependencyUnavailable } from '../problem.ts'
import { remoteKeySet, signingKeys } from './signing-keys.ts'

let jwks: JSONWebKeySet
beforeAll(async () => {
  const { publicKey } = await generateKeyPair('RS256')
  jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] }
})

const MINUTE_MS = 60_000
const token = { payload: '', signature: '' }

const header = (kid: string): JWTHeaderParameters => ({ alg: 'RS256', kid })

/** A provider that can be taken away, and keys over it with a clock that the test moves. */
function scene() {
  const provider = { asked: 0, away: false, kids: ['k1'], now: 1_776_507_820_000 }
  const find = signingKeys({
    monotonicMs: () => provider.now,
    fetchKeys: async () => {
      provider.asked += 1
      if (provider.away) throw new Error('away')
      return { keys: provider.kids.map((kid) => ({ ...jwks.keys[0], kty: 'RSA', kid })) }
    },
  })
  const look = (kid = 'k1') =>
    Promise.resolve(find(header(kid), token)).then(
      () => 'found',
      (error: unknown) => (error instanceof DependencyUnavailable ? 'unavailable' : 'unknown'),
    )
  return { provider, look }
}

test('one request fetches for all that come together, and for five minutes', async () => {
  const { provider, look } = scene()
  expect(await Promise.all([look(), look(), look()])).toEqual(['found', 'found', 'found'])
  provider.now += 4 * MINUTE_MS
  expect(await look()).toBe('found')
  expect(provider.asked).toBe(1)
})

test('fault A5: the last good keys serve for 24 hours while the provider is away', async () => {
  const { provider, look } = scene()
  await look()
  provider.away = true
  provider.now += 24 * 60 * MINUTE_MS - 1
  expect(await look()).toBe('found')
  expect(await look('k2')).toBe('unknown')
  provider.now += MINUTE_MS
  expect(await look()).toBe('unavailable')
  provider.away = false
  provider.now += MINUTE_MS
  expect(await look()).toBe('found')
})

test('keys older than five minutes are refreshed behind the request', async () => {
  const { provider, look } = scene()
  await look()
  provider.kids = ['k2']
  provider.now += 6 * MINUTE_MS
  expect(await look('k1')).toBe('found')
  await Promise.resolve()
  expect(await look('k2')).toBe('found')
  expect(provider.asked).toBe(2)
})

test('an unknown kid costs one refresh in 30 seconds, and is then unknown', async () => {
  const { provider, look } = scene()
  await look()
  provider.now += MINUTE_MS
  for (let round = 0; round < 50; round++) expect(await look(`invented-${round}`)).toBe('unknown')
  expect(provider.asked).toBe(2)
  provider.kids = ['k1', 'k2']
  provider.now += 31_000
  expect(await look('k2')).toBe('found')
})

test('without any keys it is an outage, not the fault of the token', async () => {
  const { provider, look } = scene()
  provider.away = true
  expect(await Promise.all([look(), look()])).toEqual(['unavailable', 'unavailable'])
  expect(provider.asked).toBe(1)
})

test('an answer that is no key set is none', async () => {
  await expect(remoteKeySet('http://127.0.0.1:9/jwks')()).rejects.toThrow('fetch failed')
  for (const body of ['{}', '{"keys":[]}', '[]', 'null'])
    await expect(remoteKeySet(`data:application/json,${body}`)()).rejects.toThrow('no key set')
})
