import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SUBMIT_RESULT_MIRROR } from '../../streams/contracts/subjects.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { connectNats, NotConnected, type NatsLink } from '../../streams/nats/link.ts'
import { mirrorProgress } from './mirror-progress.ts'
import { OwnNats } from '../../streams/nats/testing/own-nats.suite.ts'
import { eventually, provisioned } from './testing/scene.suite.ts'

let nats: OwnNats
let link: NatsLink
beforeAll(async () => {
  nats = await OwnNats.start()
  link = connectNats({ url: nats.url, user: 'stream-progress', logger: silentLogger })
  await link.whenConnected(new AbortController().signal)
})
afterAll(async () => {
  await link.close()
  await nats.close()
})

test('the progress of a mirror is its stream and what it has acknowledged without a gap', async () => {
  const { nc } = await provisioned(nats.url)
  const client = jetstream(nc)
  const { stream, durable, subject } = SUBMIT_RESULT_MIRROR
  const progress = mirrorProgress(link, SUBMIT_RESULT_MIRROR)
  expect(await progress()).toEqual({ ends: [0], read: [0] })

  for (const text of ['1', '2', '3']) await client.publish(subject, text)
  expect(await progress()).toEqual({ ends: [3], read: [0] })

  const consumer = await client.consumers.get(stream, durable)
  const messages = await consumer.fetch({ max_messages: 3, expires: 2000 })
  const held = []
  for await (const message of messages) held.push(message)
  expect(await progress()).toEqual({ ends: [3], read: [0] })
  await held[1]?.ackAck()
  expect(await progress()).toEqual({ ends: [3], read: [0] })
  await held[0]?.ackAck()
  expect(await progress()).toEqual({ ends: [3], read: [2] })
  await held[2]?.ackAck()
  expect(await progress()).toEqual({ ends: [3], read: [3] })
  await nc.close()
})

test('nobody can tell while NATS is away', async () => {
  await nats.kill()
  await eventually(() => expect(link.connection).toBeUndefined())
  await expect(mirrorProgress(link, SUBMIT_RESULT_MIRROR)()).rejects.toThrow(NotConnected)
})
