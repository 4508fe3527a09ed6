import * as fc from 'fast-check'
import {
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  SignJWT,
  type GenerateKeyPairResult,
  type JWTHeaderParameters,
} from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { tokenVerifier, type TokenOptions, type TokenVerifier } from './token.ts'

const tenantId = '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21'
const accountId = 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33'
const nowSeconds = 1_776_507_820
const options: TokenOptions = {
  algorithms: ['RS256'],
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
let ours: GenerateKeyPairResult
let strangers: GenerateKeyPairResult

const signWith =
  ({ privateKey }: GenerateKeyPairResult, header: Partial<JWTHeaderParameters> = {}): Sign =>
  (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(privateKey)

beforeAll(async () => {
  ours = await generateKeyPair('RS256')
  strangers = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(ours.publicKey)), kid: 'k1', alg: 'RS256' }
  verify = tokenVerifier(createLocalJWKSet({ keys: [jwk] }), options)
  sign = signWith(ours)
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

const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const publicJwk = () => exportJWK(strangers.publicKey)

/** A token whose header and claims say what they like, with the signature of a good one. */
const forged = async (header: Readonly<Record<string, unknown>>, claims: unknown = good) =>
  `${json({ kid: 'k1', ...header })}.${json(claims)}.${(await sign(good)).split('.')[2]}`
const withoutSignature = (alg: string): string => `${json({ alg, kid: 'k1' })}.${json(good)}.`

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

  test.each<[string, () => Promise<string> | string]>([
    ['alg none', () => withoutSignature('none')],
    ['alg None', () => withoutSignature('None')],
    ['alg NONE', () => withoutSignature('NONE')],
    ['alg nOnE', () => withoutSignature('nOnE')],
    ['an empty alg', () => withoutSignature('')],
    ['no alg', () => `${json({ kid: 'k1' })}.${json(good)}.`],
    ['alg none and the signature of another token', () => forged({ alg: 'none' })],
    [
      'the public key as an HMAC secret',
      async () =>
        new SignJWT(good)
          .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
          .sign(Buffer.from(await exportSPKI(ours.publicKey))),
    ],
    ['another algorithm of the same key', () => forged({ alg: 'PS256' })],
    ['an alg in another case', () => forged({ alg: 'rs256' })],
    ["a stranger's signature", () => signWith(strangers)(good)],
    ['a foreign kid', () => signWith(strangers, { kid: 'theirs' })(good)],
    ['a kid that is a path', () => signWith(strangers, { kid: '../../dev/null' })(good)],
    ["a stranger's jwk", async () => signWith(strangers, { jwk: await publicJwk() })(good)],
    ['a jku of its own', () => signWith(strangers, { jku: 'https://evil.example/jwks' })(good)],
    ['an x5u of its own', () => signWith(strangers, { x5u: 'https://evil.example/cert' })(good)],
    ['a crit that nobody knows', () => forged({ alg: 'RS256', crit: ['exp'] })],
    ['a payload that is not encoded', () => forged({ alg: 'RS256', b64: false, crit: ['b64'] })],
    ['changed claims', () => forged({ alg: 'RS256' }, { ...good, tenant_id: accountId })],
    ['five parts (JWE)', () => `${json({ alg: 'dir', enc: 'A256GCM' })}..a.b.c`],
    ['no parts', () => 'x'],
    ['an empty token', () => ''],
    ['a header that is a list', () => `${json([])}.${json(good)}.x`],
    ['claims that are a list', () => sign(good).then((token) => token.replace(/\.[^.]+\./, `.${json([])}.`))],
  ])('with %s', async (_, token) => {
    expect(await verify(await token())).toBeUndefined()
  })

  test('whatever else it is made of, and never by an outage', async () => {
    const part = fc.oneof(
      fc.base64String(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
        expect(await verify(parts.join('.'))).toBeUndefined()
      }),
    )
  }, 60_000)
})

test('takes ES256 only where it is allowed', async () => {
  const curve = await generateKeyPair('ES256')
  const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(curve.publicKey)), kid: 'e1' }] })
  const token = await signWith(curve, { alg: 'ES256', kid: 'e1' })(good)
  expect(await tokenVerifier(keys, options)(token)).toBeUndefined()
  const both = tokenVerifier(keys, { ...options, algorithms: ['RS256', 'ES256'] })
  expect(await both(token)).toMatchObject({ tenantId })
})
