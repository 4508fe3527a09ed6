import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createDatabase, type TemporaryDatabase } from '../dev/database.ts'
import { idempotencyHash } from '../streams/domain/message/idempotency.ts'
import { call } from './testing/call.suite.ts'
import { accountId, goodBody, serverUrl, tenantId } from './testing/real-api.suite.ts'
import { until } from './testing/until.suite.ts'

const NOWHERE = '127.0.0.1:9'

let database: TemporaryDatabase
let sql: Pool
beforeAll(async () => {
  database = await createDatabase(serverUrl('DATABASE_URL'), `api_process_${randomUUID().slice(0, 8)}`)
  sql = new Pool({ connectionString: database.url, max: 2 })
})
afterAll(async () => {
  await sql.end()
  await database.drop()
})

const Line = z.object({ event: z.string(), address: z.string().optional() })

/**
 * The process as production starts it, with neither Redis nor NATS to be found; ends with its URL.
 */
async function startProcess(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('main.ts', import.meta.url))],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        PORT: '0',
        DATABASE_URL: database.urlAs('orch_svc'),
        RELAY_DATABASE_URL: database.urlAs('orch_relay'),
        REDIS_URL: `redis://${NOWHERE}`,
        NATS_URL: `nats://${NOWHERE}`,
        JWT_JWKS_URL: `http://${NOWHERE}/jwks`,
        AUTH_MODE: 'jwt+gateway',
        SHUTDOWN_GRACE_MS: '1500',
        SUBMIT_API_ENABLED: 'true',
        LOG_LEVEL: 'info',
      },
    },
  )
  for await (const text of createInterface({ input: child.stdout })) {
    const { event, address } = Line.parse(JSON.parse(text))
    if (event === 'api.listening' && address !== undefined) return { child, url: `http://${address}` }
  }
  throw new Error('the process ended before it listened')
}

test('PLT-5 [F3] [F4] starts and accepts with Redis and NATS away, and a signal lets the open submit finish', async () => {
  const { child, url } = await startProcess()
  const exited = once(child, 'exit')
  const key = randomUUID()
  const send = () =>
    call(`${url}/v1/sms/send`, {
      method: 'POST',
      headers: {
        'X-Api-Key-Id': 'key-1',
        'X-Tenant-Id': tenantId,
        'X-Account-Id': accountId,
        'Content-Type': 'application/json',
        'Idempotency-Key': key,
      },
      body: JSON.stringify(goodBody),
    })
  const rival = await sql.connect()
  await rival.query('BEGIN')
  await rival.query(
    `INSERT INTO orch.idempotency_keys VALUES ($1, $2, $3, gen_random_uuid(), 'x', '{}', now(), now() + '1 day')`,
    [idempotencyHash(tenantId, accountId, key), tenantId, accountId],
  )
  const open = send()
  await until(async () => {
    const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'orch_svc'
      AND datname = current_database()`
    return (await sql.query(waits)).rowCount === 1
  })
  child.kill('SIGTERM')
  const statusOf = (path: string) =>
    call(`${url}${path}`).then(
      ({ status }) => status,
      () => 'refused',
    )
  await until(async () => (await statusOf('/ready')) === 503)
  expect(await statusOf('/health')).toBe(200)
  await until(async () => (await statusOf('/health')) === 'refused')
  await rival.query('ROLLBACK')
  rival.release()
  expect((await open).status).toBe(202)
  expect(await exited).toEqual([0, null])
  expect((await sql.query('SELECT 1 FROM orch.outbox')).rowCount).toBe(1)
})
