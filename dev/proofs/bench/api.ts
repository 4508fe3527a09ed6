import { fork, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { z } from 'zod'
import { readApiConfig } from '../../../api/config.ts'
import { startApi } from '../../../api/start.ts'
import { positive, readConfig } from '../../../streams/platform/config.ts'
import { createLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { Closers } from '../../../streams/platform/process.ts'
import { createDatabase } from '../../database.ts'

/**
 * Submits per second of one API process, each with its own idempotency key, over a fixed number of
 * connections: a closed loop, so the rate is what the process sustains at that concurrency. CPU per
 * submit is the figure that carries over to other machines.
 *
 * `node --import tsx dev/proofs/bench/api.ts`, with DATABASE_URL (superuser), NATS_URL and
 * REDIS_URL set.
 */
const env = {
  DATABASE_URL: z.string(),
  NATS_URL: z.string(),
  REDIS_URL: z.string(),
  BENCH_SECONDS: positive.default(10),
  BENCH_WARM_UP_SECONDS: positive.default(3),
  BENCH_CONNECTIONS: positive.default(32),
}

const tenantId = randomUUID()
const accountId = randomUUID()

async function serve(): Promise<void> {
  const closers = new Closers()
  // Lines are made as in production, and dropped: a pipe to the load generator would measure the
  // generator.
  const logger = createLogger({ service: 'api', level: 'info', destination: { write: () => {} } })
  const around = {
    logger,
    metrics: new Metrics().withProcessMetrics(),
    now: Date.now,
    monotonicMs: () => performance.now(),
    newId: randomUUID,
    random: Math.random,
    subjectPrefix: process.env['BENCH_PREFIX'] ?? '',
  }
  const { port } = await startApi(readApiConfig(), around, closers)
  process.send?.({ port })
  process.once('message', () => void closers.closeAll(logger).then(() => process.exit(0)))
}

async function measure(): Promise<void> {
  const config = readConfig(env)
  const closers = new Closers()
  const logger = createLogger({ service: 'bench', level: 'warn' })
  try {
    const { child, url, token } = await prepare(config, closers)
    closers.add('api', child, stop)
    await load(url, token, config.BENCH_CONNECTIONS, config.BENCH_WARM_UP_SECONDS)
    const cpuBefore = await cpuSeconds(url)
    const result = await load(url, token, config.BENCH_CONNECTIONS, config.BENCH_SECONDS)
    const cpu = (await cpuSeconds(url)) - cpuBefore
    report(result, cpu, config.BENCH_SECONDS)
  } finally {
    await closers.closeAll(logger)
  }
}

interface Prepared {
  readonly child: ChildProcess
  readonly url: string
  readonly token: string
}

async function prepare(config: z.infer<z.ZodObject<typeof env>>, closers: Closers): Promise<Prepared> {
  const id = randomUUID().slice(0, 8)
  const database = closers.add('database', await createDatabase(config.DATABASE_URL, `bench_${id}`), (open) =>
    open.drop(),
  )
  const nats = closers.add('nats', await connect({ servers: config.NATS_URL }), (open) => open.close())
  const manager = await jetstreamManager(nats)
  await manager.streams.add({
    name: `BENCH_${id}`,
    subjects: [`bench${id}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    duplicate_window: nanos(600_000),
  })
  closers.add('stream', manager, async (open) => void (await open.streams.delete(`BENCH_${id}`)))
  const { jwksUrl, token } = await startIssuer(closers)
  const child = fork(fileURLToPath(import.meta.url), ['serve'], {
    execArgv: ['--import', 'tsx'],
    env: {
      ...process.env,
      PORT: '0',
      DATABASE_URL: database.urlAs('orch_svc'),
      RELAY_DATABASE_URL: database.urlAs('orch_relay'),
      JWT_JWKS_URL: jwksUrl,
      SUBMIT_API_ENABLED: 'true',
      BENCH_PREFIX: `bench${id}.`,
    },
  })
  const message = await new Promise<unknown>((resolve) => void child.once('message', resolve))
  const { port } = z.object({ port: z.number() }).parse(message)
  return { child, url: `http://127.0.0.1:${port}`, token }
}

async function startIssuer(closers: Closers): Promise<{ jwksUrl: string; token: string }> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }] })
  const server = createServer((_request, response) => void response.end(jwks)).listen(0, '127.0.0.1')
  closers.add('issuer', server, (open) => void open.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the issuer has no TCP port')
  const token = await new SignJWT({ tenant_id: tenantId, account_id: accountId, scope: 'sms:send' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
    .setIssuer('https://auth.ghasi.io')
    .setAudience('ghasi-platform')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey)
  return { jwksUrl: `http://127.0.0.1:${address.port}/jwks`, token }
}

async function stop(child: ChildProcess): Promise<void> {
  child.send('stop')
  await once(child, 'exit')
}

interface Result {
  readonly latenciesMs: number[]
  readonly statuses: Map<number, number>
}

async function load(url: string, token: string, connections: number, seconds: number): Promise<Result> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const result: Result = { latenciesMs: [], statuses: new Map() }
  const endMs = performance.now() + seconds * 1000
  const client = async () => {
    while (performance.now() < endMs) {
      const startMs = performance.now()
      const status = await submit(agent, url, token)
      result.latenciesMs.push(performance.now() - startMs)
      result.statuses.set(status, (result.statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: connections }, client))
  agent.destroy()
  return result
}

function submit(agent: Agent, url: string, token: string): Promise<number> {
  const body = JSON.stringify({
    to: '+447700900123',
    from: 'GHASI',
    body: 'Your code is 4711',
    metadata: { campaignId: 'camp-001' },
  })
  const headers = {
    Authorization: `Bearer ${token}`,
    'X-Tenant-Id': tenantId,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Idempotency-Key': randomUUID(),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/v1/sms/send`, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

async function cpuSeconds(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1])
}

function report({ latenciesMs, statuses }: Result, cpu: number, seconds: number): void {
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const quantile = (q: number) => (sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(1)
  console.log(`submits/s        ${(sorted.length / seconds).toFixed(0)}`)
  console.log(`latency ms       p50 ${quantile(0.5)}  p95 ${quantile(0.95)}  p99 ${quantile(0.99)}`)
  console.log(`API process      ${((cpu / seconds) * 100).toFixed(0)} % of one CPU`)
  console.log(`CPU per submit   ${((cpu / sorted.length) * 1e6).toFixed(0)} us`)
  console.log(`statuses         ${JSON.stringify(Object.fromEntries(statuses))}`)
}

await (process.argv[2] === 'serve' ? serve() : measure())
