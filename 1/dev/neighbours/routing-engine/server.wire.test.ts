import { fileURLToPath } from 'node:url'
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { healthExample } from '../../../streams/contracts/examples.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { followHealth } from './health-feed.ts'
import { OperatorStates } from './health.ts'
import { startRoutingEngine, type RoutingEngine } from './server.ts'

const A = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const B = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'
const PATH = '/sms.routing.v1.RoutingEngine/SelectRoute'
const NOWHERE = 'nats://127.0.0.1:1'

let engine: RoutingEngine
let client: Client
beforeAll(async () => {
  engine = await startRoutingEngine({
    host: '127.0.0.1',
    port: 0,
    natsUrl: NOWHERE,
    routes: [{ prefix: '+44', operatorId: A, routeId: 'rt-44-a', backupOperatorId: B }],
  })
  client = new Client(`127.0.0.1:${engine.port}`, credentials.createInsecure())
})
afterAll(async () => {
  client.close()
  await engine.close()
})

/** The method's codec as the proto says it: a client that shares no code with the server. */
const proto = loadSync(fileURLToPath(new URL('../../../streams/contracts/routing.proto', import.meta.url)), {
  keepCase: true,
  enums: String,
  defaults: true,
})
const service = proto['sms.routing.v1.RoutingEngine']
if (service === undefined || 'format' in service) throw new Error('routing.proto has no service')
const method = service['SelectRoute']
if (method === undefined) throw new Error('routing.proto has no SelectRoute')

const selectRoute = (to: string, messageId: string, deadlineMs = 2_000): Promise<object> =>
  new Promise((resolve, reject) => {
    const request = { message_id: messageId, tenant_id: 't', account_id: 'a', to, from: 'GHASI' }
    client.makeUnaryRequest(
      PATH,
      method.requestSerialize,
      method.responseDeserialize,
      { ...request, message_type: 'MESSAGE_TYPE_SMS' },
      { deadline: Date.now() + deadlineMs },
      (error: ServiceError | null, reply?: object) => (error === null ? resolve(reply ?? {}) : reject(error)),
    )
  })

test('ORC-4.4 a call brings operator, route, strategy and backup, while NATS is away', async () => {
  expect(await selectRoute('+447700900123', 'm1')).toEqual({
    operator_id: A,
    route_id: 'rt-44-a',
    strategy: 'ROUTING_STRATEGY_PRIORITY',
    backup_operator_id: B,
  })
  expect(engine.counters()).toMatchObject({ OK: 1 })
})

test('faults arrive as gRPC codes, and a late answer misses the deadline', async () => {
  await expect(selectRoute('+15550100', 'm2')).rejects.toMatchObject({ code: status.NOT_FOUND })
  await expect(selectRoute('12', 'm3')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
  await expect(selectRoute('+447999011000', 'm4')).rejects.toMatchObject({ code: status.UNAVAILABLE })
  expect(await selectRoute('+447999011000', 'm4')).toMatchObject({ operator_id: A })
  await expect(selectRoute('+447999101000', 'm5', 200)).rejects.toMatchObject({
    code: status.DEADLINE_EXCEEDED,
  })
})

test('a learnt outage of the first operator moves calls to its bound backup', async () => {
  engine.learn({ ...healthExample, operatorId: A, status: 'UNBOUND' })
  engine.learn({ ...healthExample, operatorId: B, status: 'BOUND' })
  expect(await selectRoute('+447700900123', 'm6')).toMatchObject({
    operator_id: B,
    strategy: 'ROUTING_STRATEGY_FAILOVER',
  })
})

test('CON-1.2 operator.health is followed through a durable, also when the stream comes later', async () => {
  const natsUrl = process.env['NATS_URL']
  if (natsUrl === undefined) throw new Error('set NATS_URL to the address of a NATS server with JetStream')
  const name = `RE_${process.pid}_${Date.now()}`
  const states = new OperatorStates()
  const feed = followHealth({ natsUrl, states, logger: silentLogger, stream: name })
  const nats = await connect({ servers: natsUrl })
  const manager = await jetstreamManager(nats)
  try {
    await manager.streams.add({ name, subjects: [name] })
    await expect
      .poll(() => publishedAndLearnt(nats, name, states), { timeout: 10_000, interval: 200 })
      .toBe('UNBOUND')
    expect((await manager.consumers.info(name, 'routing-engine-health')).config.ack_policy).toBe('explicit')
  } finally {
    await feed.close()
    await manager.streams.delete(name)
    await nats.close()
  }
})

/**
 * Repeats the event as the gateway's heartbeat does: the durable starts with what comes after it.
 */
async function publishedAndLearnt(
  nats: NatsConnection,
  subject: string,
  states: OperatorStates,
): Promise<string | undefined> {
  await jetstream(nats).publish(subject, encode({ ...healthExample, operatorId: A, status: 'UNBOUND' }))
  return states.stateOf(A)
}
