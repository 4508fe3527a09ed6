import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose'
import { freePort } from '../../stack/ports.ts'

/**
 * Plays the identity provider: signs tokens, and serves the public key that the API verifies them
 * with.
 */
export interface IdentityProvider {
  readonly jwksUrl: string
  token(claims: {
    readonly tenantId: string
    readonly accountId: string
    readonly scope?: string
  }): Promise<string>
  close(): Promise<void>
}

const KEY_ID = 'local'
const ISSUER = 'https://auth.ghasi.io'
const AUDIENCE = 'ghasi-platform'

export async function startIdentityProvider(): Promise<IdentityProvider> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: 'RS256', use: 'sig' }]
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys }))
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    jwksUrl: `http://127.0.0.1:${port}/jwks.json`,
    token: ({ tenantId, accountId, scope = 'sms:send sms:read' }) =>
      sign(privateKey, { tenantId, accountId, scope }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

const sign = (
  key: CryptoKey,
  claims: { readonly tenantId: string; readonly accountId: string; readonly scope: string },
): Promise<string> =>
  new SignJWT({ tenant_id: claims.tenantId, account_id: claims.accountId, scope: claims.scope })
    .setProtectedHeader({ alg: 'RS256', kid: KEY_ID })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(claims.accountId)
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime('12h')
    .sign(key)
