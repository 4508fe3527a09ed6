import { randomUUID } from 'node:crypto'
import { AckPolicy, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectionOf, connectNats, type NatsLink } from '../../../streams/nats/link.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { createLogger, silentLogger } from '../../../streams/platform/logger.ts'
import { DurableReader } from './durable-reader.ts'

const run = `reader-${randomUUID().slice(0, 8)}`
const SUBJECT = `${run}.events`

let nats: NatsConnection
let link: NatsLink
let reader: DurableReader
let delivered: string[]
let log: string
/** Pulls that have left, or that were swallowed as the server does at an unlucky instant. */
let pulls: number
let isSwallowed: (count: number) => boolean

beforeEach(async () => {
  nats = await connect({ servers: process.env['NATS_URL'] ?? '' })
  const manager = await jetstreamManager(nats)
  await manager.streams.add({ name: run, subjects: [SUBJECT] })
  await manager.consumers.add(run, { durable_name: 'reader', ack_policy: AckPolicy.Explicit })
  link = connectNats({ url: process.env['NATS_URL'] ?? '', user: 'reader', logger: silentLogger })
  await link.whenConnected(AbortSignal.timeout(30_000))
  delivered = []
  log = ''
  pulls = 0
  isSwallowed = () => false
  const connection = connectionOf(link)
  const publish = connection.publish.bind(connection)
  connection.publish = (subject, payload, options) => {
    if (!subject.includes('CONSUMER.MSG.NEXT') || !isSwallowed(++pulls)) publish(subject, payload, options)
  }
  const destination = { write: (line: string) => void (log += line) }
  reader = new DurableReader({
    link,
    stream: run,
    durable: 'reader',
    prefetch: 10,
    deliver: (message) => {
      delivered.push(new TextDecoder().decode(message.data))
      message.ack()
    },
    unacknowledged: () => 0,
    onInfo: () => {},
    // Never within the test: a stalled durable would be noticed by it, and not by its pulls.
    pollMs: 3_600_000,
    sleep,
    random: () => 0,
    logger: createLogger({ service: 'bridges', level: 'debug', destination }),
  })
})
afterEach(async () => {
  await reader.close()
  await link.close()
  await (await jetstreamManager(nats)).streams.delete(run)
  await nats.close()
})

const arrived = (...payloads: readonly string[]): Promise<void> =>
  expect.poll(() => delivered, { timeout: 60_000, interval: 10 }).toEqual(payloads)

test('a message does not wait until it is known that a pull was lost, and nothing starts over for one', async () => {
  isSwallowed = (count) => count === 1
  reader.start()
  await expect.poll(() => pulls, { timeout: 30_000 }).toBe(2)
  nats.publish(SUBJECT, 'a')
  await arrived('a')
  // The library asks for the lost one again when it has missed its heartbeats.
  await expect.poll(() => pulls, { timeout: 60_000 }).toBeGreaterThanOrEqual(3)
  nats.publish(SUBJECT, 'b')
  await arrived('a', 'b')
  expect(log).not.toContain('bridge.consumer_restarted')
}, 120_000)

test('when all pulls are silent the reader starts over', async () => {
  isSwallowed = (count) => count <= 2
  reader.start()
  nats.publish(SUBJECT, 'a')
  await arrived('a')
  expect(log).toContain('heartbeats_missed')
}, 120_000)

test('messages come in the order of the stream, whichever pull they answer', async () => {
  const payloads = Array.from({ length: 200 }, (_, at) => String(at))
  reader.start()
  for (const payload of payloads) nats.publish(SUBJECT, payload)
  await arrived(...payloads)
  expect(log).toBe('')
}, 120_000)
