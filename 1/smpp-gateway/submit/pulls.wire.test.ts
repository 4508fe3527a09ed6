import { randomUUID } from 'node:crypto'
import { AckPolicy, jetstream, jetstreamManager, type Consumer } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sleep } from '../../streams/platform/backoff.ts'
import { Pulls } from './pulls.ts'

const run = `pulls-${randomUUID().slice(0, 8)}`
const COMMANDS = `${run}.commands`

let nats: NatsConnection
let consumer: Consumer
/** Called before a pull leaves; true swallows it, as the server does at an unlucky instant. */
let isSwallowed: (count: number) => boolean
let happened: string[]
let isOver: boolean

beforeEach(async () => {
  nats = await connect({ servers: process.env['NATS_URL'] ?? '' })
  const manager = await jetstreamManager(nats)
  await manager.streams.add({ name: run, subjects: [COMMANDS] })
  await manager.consumers.add(run, { durable_name: 'connector', ack_policy: AckPolicy.Explicit })
  consumer = await jetstream(nats).consumers.get(run, 'connector')
  happened = []
  isOver = false
  isSwallowed = () => false
  let pulls = 0
  const publish = nats.publish.bind(nats)
  nats.publish = (subject, payload, options) => {
    const isPull = subject.includes('CONSUMER.MSG.NEXT')
    if (isPull) happened.push(`pull for ${/"batch":(\d+)/.exec(String(payload))?.[1]}`)
    if (isPull && isSwallowed(++pulls)) happened.push('pull lost')
    else publish(subject, payload, options)
  }
})
afterEach(async () => {
  await (await jetstreamManager(nats)).streams.delete(run)
  await nats.close()
})

function reading(roomMax: number): { readonly pulls: Pulls; readonly read: Promise<void> } {
  const pulls = new Pulls(sleep, () => happened.push('pull ended'))
  const room = async (): Promise<number> => (isOver ? 0 : Math.max(1, roomMax - pulls.asked))
  const read = pulls.read(consumer, room, (message) => {
    message.ack()
    happened.push(`command ${message.string()}`)
  })
  return { pulls, read }
}
const until = (event: string): Promise<void> =>
  expect.poll(() => happened, { timeout: 30_000, interval: 10 }).toContain(event)

it('a command does not wait until it is known that a pull was lost', async () => {
  isSwallowed = (count) => count === 1
  const { pulls, read } = reading(10)
  await until('pull lost')
  nats.publish(COMMANDS, 'a')
  await until('command a')
  expect(happened.slice(0, happened.indexOf('command a'))).not.toContain('pull ended')
  isOver = true
  await read
  expect(pulls.asked).toBe(0)
}, 60_000)

it('a lost pull among others is no failure, all in a row are one', async () => {
  isSwallowed = (count) => count % 2 === 1
  const { read } = reading(10)
  await expect.poll(() => happened.filter((one) => one === 'pull ended').length, { timeout: 30_000 }).toBe(6)
  isSwallowed = () => true
  await expect(read).rejects.toThrow('heartbeats missed')
}, 60_000)

it('all pulls together never ask for more than there is room for, and get all that wait', async () => {
  for (let at = 0; at < 200; at++) nats.publish(COMMANDS, String(at))
  const { read } = reading(8)
  await expect
    .poll(() => happened.filter((one) => one.startsWith('command')).length, { timeout: 30_000 })
    .toBe(200)
  isOver = true
  await read
  let waiting = 0
  for (const one of happened.slice(0, happened.indexOf('command 199'))) {
    waiting += Number(/^pull for (\d+)/.exec(one)?.[1] ?? 0) - (one.startsWith('command') ? 1 : 0)
    expect(waiting).toBeLessThanOrEqual(8)
  }
}, 60_000)
