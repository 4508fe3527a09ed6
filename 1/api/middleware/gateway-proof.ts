import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What the gateway vouches for, in the order in which it is signed. */
export const SIGNED_HEADERS = ['X-Tenant-Id', 'X-Account-Id', 'X-Api-Key-Id'] as const

/** Hosts' clocks differ; a signature that was overheard is worth no more than this [ID10]. */
const CLOCK_MS_MAX = 60_000

const SIGNATURE = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/

/** True when the identity headers of the request are the gateway's. */
export type GatewayProof = (request: IncomingMessage) => boolean

/**
 * Checks `X-Gateway-Signature: t=<unix seconds>,v1=<hex>` [ID10]. Several secrets are good at once,
 * so that one can be exchanged without refusing anybody.
 */
export const signedByGateway =
  (secrets: readonly string[], now: () => number): GatewayProof =>
  (request) => {
    const given = SIGNATURE.exec(single(request, 'X-Gateway-Signature'))
    if (given === null) return false
    const [, seconds = '', digest = ''] = given
    if (Math.abs(now() - Number(seconds) * 1000) > CLOCK_MS_MAX) return false
    const signed = Buffer.from(digest, 'hex')
    return secrets.some((secret) => timingSafeEqual(signed, digestOf(secret, request, seconds)))
  }

/**
 * HMAC-SHA256 over method, path with query as the API receives it, the signed headers (empty when
 * absent) and the timestamp, one a line. None of them can hold a line feed.
 */
function digestOf(secret: string, request: IncomingMessage, seconds: string): Buffer {
  const values = SIGNED_HEADERS.map((name) => single(request, name))
  const text = [request.method, request.url, ...values, seconds].join('\n')
  return createHmac('sha256', secret).update(text).digest()
}

function single(request: IncomingMessage, name: string): string {
  const value = request.headers[name.toLowerCase()]
  return typeof value === 'string' ? value : ''
}
