import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { freePort } from '../dev/stack/ports.ts'
import { STREAMS } from '../streams/contracts/subjects.ts'
import { OwnNats } from '../streams/nats/testing/own-nats.suite.ts'
import { eventually, OPERATOR } from './nats/testing/scene.suite.ts'

/** The processes as they are deployed, with a NATS of their own and a broker that is not there. */
let nats: OwnNats
const children = new Set<ChildProcess>()

beforeAll(async () => {
  nats = await OwnNats.start()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await nats.close()
})

function start(file: string, env: Readonly<Record<string, string>>): ChildProcess {
  const script = fileURLToPath(new URL(file, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    env: { ...process.env, NATS_URL: nats.url, NATS_REPLICAS: '1', LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  children.add(child)
  return child
}

const exitCode = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)))

const Ready = z.object({ status: z.string(), details: z.record(z.string(), z.string()) })

test('the provisioner makes the streams and the durables of the operators, and ends', async () => {
  const child = start('provision.ts', { OPERATOR_IDS: OPERATOR })
  expect(await exitCode(child)).toBe(0)
  const nc = await connect({ servers: nats.url })
  const manager = await jetstreamManager(nc)
  const found = await manager.streams.names().next()
  expect(new Set(found)).toEqual(new Set(STREAMS.map(({ name }) => name)))
  await manager.consumers.info('SMPP_OUTBOUND', `smpp-connector-${OPERATOR}`)
  await nc.close()
})

test('[F4] [F5] the bridges start without NATS and without the log, are alive, not ready, and end on SIGTERM', async () => {
  await nats.kill()
  const [port, nobody] = [await freePort(), await freePort()]
  const child = start('main.ts', { PORT: String(port), KAFKA_BROKERS: `127.0.0.1:${nobody}` })
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
  await eventually(async () => expect((await get('/health/live')).status).toBe(200))
  const before = await get('/health/ready')
  expect(before.status).toBe(503)
  expect(Ready.parse(await before.json()).details).toMatchObject({
    'dlr-processor': 'inactive',
    log: 'inactive',
  })
  expect(await (await get('/metrics')).text()).toContain('dlr_nats_consumer_status 0')
  await nats.start()
  await eventually(async () => {
    const { details } = Ready.parse(await (await get('/ready')).json())
    expect(details).toMatchObject({ 'dlr-processor': 'active', 'health-mirror': 'active', log: 'inactive' })
  })
  const text = await (await get('/metrics')).text()
  for (const name of [
    'dlr_nats_consumer_status 1',
    'bridge_in_total',
    'bridge_out_total',
    'bridge_deadletter_total',
    'bridge_replay_suppressed_total',
    'bridge_lag',
    'bridge_last_progress_timestamp_seconds',
    'dlr_outbox_pending_count',
    'dlr_nats_ack_pending',
    'orch_nats_publish_errors_total',
    'orch_pipeline_total_seconds',
  ])
    expect(text).toContain(name)
  child.kill('SIGTERM')
  expect(await exitCode(child)).toBe(0)
})
