import { fork, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect, nanos } from '@nats-io/transport-node'
import Koa from 'koa'
import { Pool } from 'pg'
import { z } from 'zod'
import { readApiConfig } from '../../../api/config.ts'
import { startApi } from '../../../api/start.ts'
import { positive, readConfig } from '../../../streams/platform/config.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { Closers } from '../../../streams/platform/process.ts'
import { createDatabase } from '../../database.ts'
import { machineBetween, machineInstant } from './pipeline-machine.ts'
import { startIdentityProvider } from '../../neighbours/identity-provider/identity.ts'

/**
 * Submits per second of one API process against the least that a submit could be: a Koa route that
 * inserts one row and answers 202. Both run in processes of their own on the same database, in
 * turns, so that a slow moment of the machine meets both. Closed loop over 64 connections.
 *
 * `npm run bench -- submit --json`: the last line is {name, acceptedPerSecond, p50Ms, p95Ms, p99Ms,
 * bareInsertPerSecond, ratioToBareInsert, cpuMs}. `cpuMs` is processor time for one message, by
 * process, which other work on the machine does not change as it changes the rates.
 */
const env = {
  DATABASE_URL: z.string(),
  NATS_URL: z.string(),
  REDIS_URL: z.string(),
  BENCH_SECONDS: positive.default(4),
  BENCH_ROUNDS: positive.default(4),
}
const CONNECTIONS = 64
const ADDRESS = '127.0.0.1'
const tenants = Array.from({ length: 4 }, () => ({ tenantId: randomUUID(), accountId: randomUUID() }))

async function serveApi(): Promise<number> {
  const around = {
    logger: silentLogger,
    metrics: new Metrics(),
    now: Date.now,
    newId: randomUUID,
    random: Math.random,
    subjectPrefix: process.env['BENCH_PREFIX'] ?? '',
  }
  return (await startApi(readApiConfig(), around, new Closers())).port
}

/** One row, one commit, as many connections as the API has for its requests. */
async function serveBare(): Promise<number> {
  const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 17 })
  const app = new Koa()
  app.use(async (ctx) => {
    const messageId = randomUUID()
    await pool.query({
      name: 'bare',
      text: `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body,
          segment_count, message_type, encoding, status, enqueued_at, status_updated_at, expires_at)
        VALUES ($1, $1, $1, '+447700900123', 'GHASI', 'Your code is 4711', 1, 'SMS', 'GSM7', 'QUEUED', now(), now(),
          now() + interval '2 days')`,
      values: [messageId],
    })
    ctx.status = 202
    ctx.body = { messageId, status: 'QUEUED' }
  })
  const server = app.listen(0, ADDRESS)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the bare route has no TCP port')
  return address.port
}

interface Call {
  readonly path: string
  readonly headers: () => Record<string, string>
}

async function measure(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  const config = readConfig(env)
  const closers = new Closers()
  try {
    const { api, bare, calls } = await prepare(config, closers)
    const none: Call[] = [{ path: '/', headers: () => ({}) }]
    await load(api.url, calls, 2)
    await load(bare.url, none, 2)
    const names = new Map([
      [api.pid, 'api'],
      [bare.pid, 'bare'],
    ])
    const rounds: Round[] = []
    for (let round = 0; round < config.BENCH_ROUNDS; round++) {
      const bareTaken = await load(bare.url, none, config.BENCH_SECONDS)
      const before = machineInstant(names)
      const latencies = await load(api.url, calls, config.BENCH_SECONDS)
      const { cpuMs } = machineBetween(before, machineInstant(names))
      rounds.push({ bare: bareTaken.length, latencies, cpuMs })
    }
    report(values.json, rounds, config.BENCH_SECONDS)
  } finally {
    await closers.closeAll(silentLogger)
  }
}

async function prepare(config: z.infer<z.ZodObject<typeof env>>, closers: Closers) {
  const id = randomUUID().slice(0, 8)
  const database = closers.add(
    'database',
    await createDatabase(config.DATABASE_URL, `submit_${id}`),
    (open) => open.drop(),
  )
  const nats = closers.add('nats', await connect({ servers: config.NATS_URL }), (open) => open.close())
  const manager = await jetstreamManager(nats)
  await manager.streams.add({
    name: `SUBMIT_${id}`,
    subjects: [`submit${id}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    duplicate_window: nanos(600_000),
  })
  closers.add('stream', manager, async (open) => void (await open.streams.delete(`SUBMIT_${id}`)))
  const issuer = closers.add('issuer', await startIdentityProvider(), (open) => open.close())
  const calls = await Promise.all(
    tenants.map(async (tenant): Promise<Call> => {
      const token = await issuer.token(tenant)
      const fixed = { Authorization: `Bearer ${token}`, 'X-Tenant-Id': tenant.tenantId }
      return { path: '/v1/sms/send', headers: () => ({ ...fixed, 'Idempotency-Key': randomUUID() }) }
    }),
  )
  const api = await start('api', closers, {
    DATABASE_URL: database.urlAs('orch_svc'),
    RELAY_DATABASE_URL: database.urlAs('orch_relay'),
    JWT_JWKS_URL: issuer.jwksUrl,
    SUBMIT_API_ENABLED: 'true',
    BENCH_PREFIX: `submit${id}.`,
    PORT: '0',
  })
  const bare = await start('bare', closers, { DATABASE_URL: database.url })
  return { api, bare, calls }
}

interface Server {
  readonly url: string
  readonly pid: number
}

async function start(what: string, closers: Closers, given: Record<string, string>): Promise<Server> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [`serve-${what}`], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, ...given },
  })
  closers.add(what, child, async (open) => {
    open.kill('SIGKILL')
    await once(open, 'exit')
  })
  const message = await new Promise<unknown>((resolve) => void child.once('message', resolve))
  const { port } = z.object({ port: z.number() }).parse(message)
  return { url: `http://${ADDRESS}:${port}`, pid: child.pid ?? 0 }
}

/** Latencies in ms of what was answered 202; anything else ends the benchmark. */
async function load(url: string, calls: readonly Call[], seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const latencies: number[] = []
  const endMs = performance.now() + seconds * 1_000
  const client = async (_: unknown, index: number): Promise<void> => {
    const call = calls[index % calls.length]
    if (call === undefined) throw new Error('there is nothing to call')
    while (performance.now() < endMs) {
      const startMs = performance.now()
      const status = await post(agent, url + call.path, call.headers())
      if (status !== 202) throw new Error(`answered ${status}`)
      latencies.push(performance.now() - startMs)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  agent.destroy()
  return latencies
}

const BODY = JSON.stringify({
  to: '+447700900123',
  from: 'GHASI',
  body: 'Your code is 4711',
  metadata: { campaignId: 'camp-001' },
})

const post = (agent: Agent, url: string, given: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = {
      ...given,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(BODY),
    }
    const outgoing = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.once('error', reject)
    outgoing.end(BODY)
  })

interface Round {
  /** How many the bare route took. */
  readonly bare: number
  /** Of those that the API took. */
  readonly latencies: readonly number[]
  /** Spent while the API took them, by process. */
  readonly cpuMs: ReadonlyMap<string, number>
}

function report(isJson: boolean, rounds: readonly Round[], seconds: number): void {
  const sorted = rounds.flatMap(({ latencies }) => latencies).toSorted((a, b) => a - b)
  const bare = rounds.reduce((sum, round) => sum + round.bare, 0)
  const quantileMs = (q: number) => Number((sorted[Math.floor(sorted.length * q)] ?? 0).toFixed(1))
  const perSecond = (count: number) => Math.round(count / seconds / rounds.length)
  const result = {
    name: 'submit',
    acceptedPerSecond: perSecond(sorted.length),
    p50Ms: quantileMs(0.5),
    p95Ms: quantileMs(0.95),
    p99Ms: quantileMs(0.99),
    bareInsertPerSecond: perSecond(bare),
    ratioToBareInsert: Number((sorted.length / bare).toFixed(2)),
    cpuMs: Object.fromEntries(
      ['api', 'postgres', 'nats', 'redis', 'bench'].map((name) => {
        const spentMs = rounds.reduce((sum, { cpuMs }) => sum + (cpuMs.get(name) ?? 0), 0)
        return [name, Number((spentMs / sorted.length).toFixed(3))]
      }),
    ),
  }
  console.log(isJson ? JSON.stringify(result) : result)
}

const [role] = process.argv.slice(2)
if (role === 'serve-api' || role === 'serve-bare')
  process.send?.({ port: await (role === 'serve-api' ? serveApi() : serveBare()) })
else await measure()
