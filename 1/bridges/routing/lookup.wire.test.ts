import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../dev/stack/ports.ts'
import { startRoutingEngine, type RoutingEngine } from '../../dev/neighbours/routing-engine/server.ts'
import { routeFor } from '../../streams/contracts/lookups.ts'
import { routingLookup, type RoutingLookup } from './lookup.ts'

const OPERATOR = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const routes = [{ prefix: '+44', operatorId: OPERATOR, routeId: 'rt-44-a' }]

let engine: RoutingEngine
let routing: RoutingLookup
beforeAll(async () => {
  engine = await startRoutingEngine({ host: '127.0.0.1', port: 0, routes })
  routing = routingLookup({ address: `127.0.0.1:${engine.port}`, now: Date.now })
  // The first call pays for the connection and the compilation of the codec, which is not what is
  // tested.
  await ask('+447700900123')
})
afterAll(async () => {
  routing.close()
  await engine.close()
})

const ask = (to: string, lookup = routing.lookup) =>
  lookup(
    routeFor({
      messageId: randomUUID(),
      tenantId: randomUUID(),
      accountId: randomUUID(),
      to,
      from: 'GHASI',
      messageType: 'SMS',
    }),
  )

test('ORC-4.4 the engine answers a question with a route', async () => {
  expect(await ask('+447700900123')).toMatchObject({
    kind: 'found',
    value: { operatorId: OPERATOR, routeId: 'rt-44-a' },
  })
})

test.each([
  ['+447999001111', { kind: 'absent' }],
  ['+447999301111', { kind: 'refused', reason: 'INVALID_ARGUMENT' }],
  ['+447999011111', { kind: 'found' }],
  ['+447999091111', { kind: 'unavailable', reason: 'UNAVAILABLE' }],
  ['+447999101111', { kind: 'unavailable', reason: 'DEADLINE_EXCEEDED' }],
  ['+447999201111', { kind: 'unavailable', reason: 'RESOURCE_EXHAUSTED' }],
  ['+447999231111', { kind: 'unavailable', reason: 'PERMISSION_DENIED' }],
  ['+447999401111', { kind: 'unavailable', reason: 'EMPTY_OPERATOR' }],
])('scripted faults come back as values: %s', async (to, expected) => {
  expect(await ask(to)).toMatchObject(expected)
})

test('[F8] an engine that is not there is unavailable, and found again when it is', async () => {
  const port = await freePort()
  const lonely = routingLookup({ address: `127.0.0.1:${port}`, now: Date.now })
  const answer = await ask('+447700900123', lonely.lookup)
  expect(answer.kind).toBe('unavailable')
  const late = await startRoutingEngine({ host: '127.0.0.1', port, routes })
  await expect
    .poll(async () => (await ask('+447700900123', lonely.lookup)).kind, { timeout: 20_000, interval: 300 })
    .toBe('found')
  lonely.close()
  await late.close()
})
