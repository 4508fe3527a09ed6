import { jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { silentLogger } from '../platform/logger.ts'
import { acknowledged, type Acknowledged, type StreamAnswer } from './acknowledged.ts'
import { connectionOf, connectNats, type NatsLink } from './link.ts'
import { OwnNats } from './testing/own-nats.suite.ts'

let nats: OwnNats
let link: NatsLink
let streams: Acknowledged

beforeAll(async () => {
  nats = await OwnNats.start()
  link = connectNats({ url: nats.url, user: 'acknowledged', logger: silentLogger })
  await link.whenConnected(AbortSignal.timeout(30_000))
  const manager = await jetstreamManager(connectionOf(link))
  await manager.streams.add({ name: 'TAKES', subjects: ['takes.>'], max_msg_size: 1_000 })
  streams = acknowledged(connectionOf(link), 'acknowledged')
}, 60_000)

afterAll(async () => {
  await link.close()
  await nats.close()
})

function publish(subject: string, msgId: string, payload = '{}', ackMsMax = 20_000): Promise<StreamAnswer> {
  const given = headers()
  given.set('Nats-Msg-Id', msgId)
  return streams.publish({ subject, payload, headers: given, ackMsMax })
}

test('each of many at once gets the answer of its own message', async () => {
  const ids = Array.from({ length: 200 }, (_, index) => `m${index}`)
  const first = await Promise.all(ids.map((id) => publish('takes.a', id)))
  expect(first).toEqual(ids.map((_, index) => ({ kind: 'stored', duplicate: false, sequence: index + 1 })))
  const again = await publish('takes.a', 'm4')
  expect(again).toEqual({ kind: 'stored', duplicate: true, sequence: 5 })
})

test('what the stream refuses carries the code of its refusal', async () => {
  expect(await publish('takes.a', 'large', 'x'.repeat(2_000))).toEqual({ kind: 'refused', code: 10_054 })
})

test('a subject of no stream is silence at once, and a silent server is silence at the deadline', async () => {
  expect(await publish('nobody.listens', 'x')).toEqual({ kind: 'silence' })
  connectionOf(link).subscribe('mute')
  expect(await publish('mute', 'x', '{}', 50)).toEqual({ kind: 'silence' })
})

test('what no server could take throws, and nothing is sent', async () => {
  await expect(publish('takes.a', 'huge', 'x'.repeat(2_000_000))).rejects.toThrow('max_payload')
})

test('after the server was away the same inbox is heard again', async () => {
  await nats.kill()
  await nats.start()
  await link.whenConnected(AbortSignal.timeout(60_000))
  let answer: StreamAnswer = { kind: 'silence' }
  // The stream needs a moment to come back.
  for (let tries = 0; tries < 100 && answer.kind === 'silence'; tries++) {
    answer = await publish('takes.a', 'after', '{}', 1_000)
    if (answer.kind === 'silence') await new Promise((resolve) => void setTimeout(resolve, 200))
  }
  expect(answer).toMatchObject({ kind: 'stored' })
}, 120_000)
