import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { accountId, startRealApi, tenantId } from '../testing/real-api.suite.ts'

/** A provider that answers until it is told to go away. */
async function startProvider() {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }]
  const provider = { away: false, asked: 0 }
  const server = createServer((_, response) => {
    provider.asked += 1
    response.writeHead(provider.away ? 503 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const tokenAt = (nowMs: number) =>
    new SignJWT({ tenant_id: tenantId, account_id: accountId, scope: 'sms:read' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer('https://auth.ghasi.io')
      .setAudience('ghasi-platform')
      .setIssuedAt(new Date(nowMs))
      .setExpirationTime(new Date(nowMs + 600_000))
      .sign(privateKey)
  const close = () => void (server.closeAllConnections(), server.close())
  return { provider, tokenAt, jwksUrl: `http://127.0.0.1:${address.port}/`, close }
}

test('[ID12] keys that are minutes old serve on when the wall clock jumps by a day and the provider is away', async () => {
  const { provider, tokenAt, jwksUrl, close } = await startProvider()
  const api = await startRealApi({ JWT_JWKS_URL: jwksUrl })
  const read = async () => {
    const headers = { Authorization: `Bearer ${await tokenAt(api.now())}`, 'X-Tenant-Id': tenantId }
    return (await api.call('/v1/sms', { headers })).status
  }
  try {
    expect(await read()).toBe(200)
    provider.away = true
    api.advance(25 * 3_600_000)
    expect(await read()).toBe(200)
    api.advance(-50 * 3_600_000)
    expect(await read()).toBe(200)
    expect(provider.asked).toBe(1)
  } finally {
    await api.close()
    close()
  }
})
