import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { jetstreamManager, RetentionPolicy, StorageType, type JetStreamManager } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Pool } from 'pg'
import { createDatabase } from '../../dev/database.ts'
import { hopTo, type UrlHop } from '../../dev/stack/proxy/hop.ts'
import { createLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import { Closers } from '../../streams/platform/process.ts'
import { until } from './until.suite.ts'
import { call, type Answer, type CallOptions } from './call.suite.ts'
import { readApiConfig } from '../config.ts'
import { startApi } from '../start.ts'

/**
 * The API of one test file: a database, a stream, keys and proxies of its own on the shared
 * servers.
 */
export interface RealApi {
  readonly url: string
  readonly metrics: Metrics
  /** As superuser, past row-level security. */
  readonly sql: Pool
  readonly urlAs: (role: string) => string
  readonly redis: Redis
  readonly subjectPrefix: string
  readonly cuts: {
    readonly postgres: UrlHop
    readonly redis: UrlHop
    readonly nats: UrlHop
  }
  /** Everything that was logged. */
  readonly logged: string[]
  /** Moves the API's clock. */
  advance(ms: number): void
  now(): number
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>
  call(path: string, options?: CallOptions): Promise<Answer>
  send(body: unknown, headers?: CallOptions['headers']): Promise<Answer>
  /** What the stream holds, in order. */
  published(): Promise<readonly Published[]>
  close(): Promise<void>
}

export interface Published {
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly event: unknown
}

export const tenantId = randomUUID()
export const accountId = randomUUID()
export const goodBody = { to: '+447700900123', from: 'GHASI', body: 'Your code is 4711' }

export function serverUrl(name: 'DATABASE_URL' | 'REDIS_URL' | 'NATS_URL'): string {
  const url = process.env[name]
  if (url === undefined) throw new Error(`${name} is not set: wire tests need the address of a real server`)
  return url
}

export async function startRealApi(env: Readonly<Record<string, string>> = {}): Promise<RealApi> {
  const id = randomUUID().slice(0, 8)
  const closers = new Closers()
  let offsetMs = 0
  const now = () => Date.now() + offsetMs
  const logged: string[] = []
  const logger = createLogger({
    service: 'api',
    level: 'debug',
    destination: { write: (line) => logged.push(line) },
  })

  const database = await createDatabase(serverUrl('DATABASE_URL'), `api_${id}`)
  closers.add('database', database, (open) => open.drop())
  const sql = closers.add('sql', new Pool({ connectionString: database.url, max: 2 }), (open) => open.end())
  const redis = closers.add('redis', new Redis(serverUrl('REDIS_URL')), (open) => open.disconnect())
  const subjectPrefix = `api${id}.`
  const manager = await openStream(closers, `API_${id}`, subjectPrefix)
  const issuer = await startIssuer(closers, now)
  const cuts = {
    postgres: closers.add('cut', await hopTo(database.urlAs('orch_svc')), (open) => open.close()),
    redis: closers.add('cut', await hopTo(serverUrl('REDIS_URL')), (open) => open.close()),
    nats: closers.add('cut', await hopTo(serverUrl('NATS_URL')), (open) => open.close()),
  }
  const metrics = new Metrics()
  const config = readApiConfig({
    PORT: '0',
    DATABASE_URL: cuts.postgres.url,
    RELAY_DATABASE_URL: database.urlAs('orch_relay'),
    ADMIN_DATABASE_URL: database.urlAs('admin_svc'),
    REDIS_URL: cuts.redis.url,
    NATS_URL: cuts.nats.url,
    JWT_JWKS_URL: issuer.jwksUrl,
    SUBMIT_API_ENABLED: 'true',
    SHUTDOWN_GRACE_MS: '0',
    ...env,
  })
  const around = {
    logger,
    metrics,
    now,
    monotonicMs: () => performance.now(),
    newId: randomUUID,
    random: Math.random,
    subjectPrefix,
  }
  const { port } = await startApi(config, around, closers)
  const url = `http://127.0.0.1:${port}`
  await until(async () => JSON.stringify((await call(`${url}/ready`)).json).split('"up"').length === 4)

  const api: RealApi = {
    url,
    metrics,
    sql,
    urlAs: database.urlAs,
    redis,
    subjectPrefix,
    cuts,
    logged,
    now,
    advance: (ms) => void (offsetMs += ms),
    token: issuer.token,
    call: (path, options) => call(`${url}${path}`, options),
    send: async (body, headers = {}) =>
      call(`${url}/v1/sms/send`, {
        method: 'POST',
        headers: { ...(await authorized(api)), 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    published: () => messagesOf(manager, `API_${id}`),
    close: () => closers.closeAll(logger),
  }
  return api
}

export const authorized = async (
  api: RealApi,
  claims: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> => ({
  Authorization: `Bearer ${await api.token(claims)}`,
  'X-Tenant-Id': claims['tenant_id'] ?? tenantId,
})

async function openStream(closers: Closers, name: string, prefix: string): Promise<JetStreamManager> {
  const nats = closers.add('nats', await connect({ servers: serverUrl('NATS_URL') }), (open) => open.close())
  const manager = await jetstreamManager(nats)
  await manager.streams.add({
    name,
    subjects: [`${prefix}>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.Memory,
    duplicate_window: nanos(600_000),
  })
  closers.add('stream', manager, async (open) => void (await open.streams.delete(name)))
  return manager
}

async function messagesOf(manager: JetStreamManager, stream: string): Promise<Published[]> {
  const { state } = await manager.streams.info(stream)
  const sequences = Array.from({ length: state.messages }, (_, index) => state.first_seq + index)
  const stored = await Promise.all(sequences.map((seq) => manager.streams.getMessage(stream, { seq })))
  return stored.flatMap((message) =>
    message === null
      ? []
      : [
          {
            subject: message.subject,
            headers: Object.fromEntries([...message.header].map(([name, [value = '']]) => [name, value])),
            event: message.json<unknown>(),
          },
        ],
  )
}

async function startIssuer(closers: Closers, now: () => number) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwks = JSON.stringify({
    keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }],
  })
  const server = createServer((_request, response) => void response.end(jwks))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  closers.add('issuer', server, (open) => void open.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the issuer has no TCP port')
  const token = (claims: Readonly<Record<string, unknown>> = {}): Promise<string> => {
    const seconds = Math.floor(now() / 1000)
    const common = { iss: 'https://auth.ghasi.io', aud: 'ghasi-platform', iat: seconds, exp: seconds + 600 }
    const own = { tenant_id: tenantId, account_id: accountId, scope: 'sms:send sms:read' }
    return new SignJWT({ ...common, ...own, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .sign(privateKey)
  }
  return { jwksUrl: `http://127.0.0.1:${address.port}/jwks`, token }
}
