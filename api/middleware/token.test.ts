import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT, type GenerateKeyPairResult } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { DependencyUnavailable } from '../problem.ts'
import { remoteKeys, tokenVerifier, type TokenVerifier } from './token.ts'

const tenantId = '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'
const accountId = 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33'
const nowSeconds = 1_776_507_820
const options = {
  issuer: 'https://auth.ghasi.io',
  audience: 'ghasi-platform',
  tenantClaim: 'tenant_id',
  now: () => nowSeconds * 1000,
}
const good = {
  iss: options.issuer,
  aud: options.audience,
  iat: nowSeconds - 10,
  exp: nowSeconds + 60,
  tenant_id: tenantId,
  account_id: accountId,
  scope: 'openid sms:send',
}

let verify: TokenVerifier
type Sign = (claims: Readonly<Record<string, unknown>>) => Promise<string>
let sign: Sign
let signWithStranger: Sign

const signWith =
  ({ privateKey }: GenerateKeyPairResult): Sign =>
  (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(privateKey)

beforeAll(async () => {
  const ours = await generateKeyPair('RS256')
  const strangers = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(ours.publicKey)), kid: 'k1', alg: 'RS256' }
  verify = tokenVerifier(createLocalJWKSet({ keys: [jwk] }), options)
  sign = signWith(ours)
  signWithStranger = signWith(strangers)
})

test('ORC-1.1 tenant, account and scopes come from the claims', async () => {
  expect(await verify(await sign(good))).toEqual({
    tenantId,
    accountId,
    scopes: new Set(['sms:send']),
    platformAdmin: false,
  })
})

test('the tenant may stand in tid, the account may be missing, the scope may be a list', async () => {
  const { tenant_id, account_id, ...rest } = good
  const token = await sign({ ...rest, tid: tenant_id, scope: ['sms:read'] })
  expect(account_id).toBe(accountId)
  expect(await verify(token)).toMatchObject({ tenantId, accountId: undefined, scopes: new Set(['sms:read']) })
})

test.each([
  ['account.sender', ['sms:send', 'sms:read']],
  ['account.admin', ['sms:send', 'sms:read']],
  ['account.reader', ['sms:read']],
  ['constructor', []],
])('the role %s gives %j', async (role, scopes) => {
  const { scope, ...rest } = good
  expect(scope).toBeDefined()
  expect(await verify(await sign({ ...rest, roles: [role] }))).toMatchObject({ scopes: new Set(scopes) })
})

describe('PLT-8 a token is refused', () => {
  test.each([
    ['when it has expired', { exp: nowSeconds - 6 }],
    ['without expiry', { exp: undefined }],
    ['before its nbf', { nbf: nowSeconds + 6 }],
    ['when it is older than 24 hours', { iat: nowSeconds - 86_406 }],
    ['when it comes from the future', { iat: nowSeconds + 6 }],
    ['without iat', { iat: undefined }],
    ['from another issuer', { iss: 'https://evil.example' }],
    ['for another audience', { aud: 'elsewhere' }],
    ['without a tenant', { tenant_id: undefined }],
    ['with a tenant that is no uuid', { tenant_id: 'acme' }],
    ['with an account that is no uuid', { account_id: 'acme' }],
  ])('%s', async (_, change) => {
    expect(await verify(await sign({ ...good, ...change }))).toBeUndefined()
  })

  test('when it is signed by somebody else, not signed, or not a token', async () => {
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(good)).toString('base64url')}.`
    expect(await verify(await signWithStranger(good))).toBeUndefined()
    expect(await verify(unsigned)).toBeUndefined()
    expect(await verify('x')).toBeUndefined()
  })

  test('when it uses the public key as an HMAC secret', async () => {
    const token = await new SignJWT(good)
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(Buffer.alloc(32))
    expect(await verify(token)).toBeUndefined()
  })
})

test('keys that cannot be had are an outage, not the fault of the token', async () => {
  const verifyRemote = tokenVerifier(remoteKeys('http://127.0.0.1:9/jwks'), options)
  await expect(verifyRemote(await sign(good))).rejects.toBeInstanceOf(DependencyUnavailable)
})
