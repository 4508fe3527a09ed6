import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startChild, type Child } from '../../dev/stack/child.ts'
import { freePort } from '../../dev/stack/ports.ts'
import { routingClient, type RoutingClient } from './client.ts'

/**
 * The engine is a process of its own here, because this one stops answering anything for a while.
 */
const DEADLINE_MS = 200
const REQUEST = {
  message_id: randomUUID(),
  tenant_id: randomUUID(),
  account_id: randomUUID(),
  to: '+447700900123',
  from: 'GHASI',
  message_type: 'MESSAGE_TYPE_SMS',
} as const

const folder = mkdtempSync(join(tmpdir(), 'routing-'))
let engine: Child
let client: RoutingClient
beforeAll(async () => {
  const port = await freePort()
  client = routingClient({ address: `127.0.0.1:${port}`, deadlineMs: DEADLINE_MS })
  const routes = [{ prefix: '+44', operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479', routeId: 'rt-44-a' }]
  const spec = {
    name: 'routing-engine',
    command: process.execPath,
    args: ['--import', 'tsx', 'dev/neighbours/routing-engine/main.ts'],
    cwd: process.cwd(),
    logFile: join(folder, 'engine.log'),
    env: { ...process.env, PORT: String(port), ROUTES: JSON.stringify(routes) },
    stopSignal: 'SIGTERM' as const,
    stopWithinMs: 10_000,
    readyWithinMs: 30_000,
    isReady: async () => (await client.selectRoute(REQUEST)).code === 'OK',
  }
  engine = await startChild(spec, () => {}, new AbortController().signal)
})
afterAll(async () => {
  client.close()
  await engine.stop()
  rmSync(folder, { recursive: true })
})

test('[F8] an answer that came in time counts, though the event loop was too busy to read it', async () => {
  const answer = client.selectRoute(REQUEST)
  // Until the request is on its way.
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  const untilMs = Date.now() + 3 * DEADLINE_MS
  while (Date.now() < untilMs);
  expect((await answer).code).toBe('OK')
})
