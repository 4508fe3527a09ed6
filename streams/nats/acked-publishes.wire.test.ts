import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { silentLogger } from '../platform/logger.ts'
import { AckedPublishes, PublishFailed } from './acked-publishes.ts'
import { connectionOf, connectNats, NotConnected, type NatsLink } from './link.ts'
import { OwnNats } from './testing/own-nats.suite.ts'

const SUBJECT = 'acked.events'
const STREAM = 'ACKED'
const LONG_MS = 60_000

let nats: OwnNats
let link: NatsLink
let publishes: AckedPublishes
beforeEach(async () => {
  nats = await OwnNats.start()
  link = connectNats({ url: nats.url, user: 'publishing', logger: silentLogger })
  await link.whenConnected(AbortSignal.timeout(30_000))
  publishes = new AckedPublishes({ link, now: () => performance.now() })
})
afterEach(async () => {
  await link.close()
  await nats.close()
})

const stream = async (limits: { readonly max_msgs?: number } = {}): Promise<() => Promise<number>> => {
  const manager = await jetstreamManager(connectionOf(link))
  await manager.streams.add({ name: STREAM, subjects: [SUBJECT], discard: DiscardPolicy.New, ...limits })
  return async () => (await manager.streams.info(STREAM)).state.messages
}

const publish = (id: string, withinMs = LONG_MS): Promise<void> => {
  const given = headers()
  given.set('Nats-Msg-Id', id)
  return publishes.publish(SUBJECT, Buffer.from(id), given, withinMs)
}
const outcome = (published: Promise<void>): Promise<unknown> =>
  published.then(
    () => 'held',
    (error: unknown) => error,
  )

it('each of a thousand at once resolves when the stream holds it, and a repetition does too', async () => {
  const held = await stream()
  await Promise.all(Array.from({ length: 1_000 }, (_, at) => publish(`event ${at}`)))
  expect(await held()).toBe(1_000)
  await publish('event 7')
  expect(await held()).toBe(1_000)
})

it('what a full stream refuses rejects, and what it took before does not', async () => {
  const held = await stream({ max_msgs: 2 })
  const outcomes = await Promise.all(['a', 'b', 'c'].map((id) => outcome(publish(id))))
  expect(outcomes).toEqual(['held', 'held', expect.any(PublishFailed)])
  expect(await held()).toBe(2)
})

it('rejects at once when no stream takes the subject', async () => {
  expect(await outcome(publish('lost'))).toEqual(new PublishFailed('no stream takes the subject'))
})

it('rejects at its deadline when somebody else takes the subject and says nothing', async () => {
  connectionOf(link).subscribe(SUBJECT, { callback: () => {} })
  expect(await outcome(publish('swallowed', 200))).toEqual(new PublishFailed('not acknowledged in time'))
})

it('without a server it rejects, and goes on with the next one', async () => {
  const held = await stream()
  await publish('before')
  await nats.kill()
  await expect.poll(() => link.connection, { timeout: 30_000 }).toBeUndefined()
  expect(await outcome(publish('meanwhile'))).toBeInstanceOf(NotConnected)
  await nats.start()
  await link.whenConnected(AbortSignal.timeout(60_000))
  await publish('after')
  expect(await held()).toBe(2)
})
