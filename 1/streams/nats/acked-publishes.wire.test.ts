import { writeFileSync, rmSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiscardPolicy, jetstreamManager, type StreamConfig } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../platform/logger.ts'
import { AckedPublishes } from './acked-publishes.ts'
import { connectionOf, connectNats, NotConnected, type NatsLink } from './link.ts'
import type { StreamAnswer } from './stream-answer.ts'
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
  publishes = new AckedPublishes({ link })
})
afterEach(async () => {
  await link.close()
  await nats.close()
})

type Limits = Partial<Pick<StreamConfig, 'max_msgs' | 'max_msg_size'>>
const stream = async (limits: Limits = {}): Promise<() => Promise<number>> => {
  const manager = await jetstreamManager(connectionOf(link))
  await manager.streams.add({ name: STREAM, subjects: [SUBJECT], discard: DiscardPolicy.New, ...limits })
  return async () => (await manager.streams.info(STREAM)).state.messages
}

interface More {
  readonly payload?: string
  readonly ackMsMax?: number
  readonly permit?: () => void
}
const publish = (id: string, more: More = {}): Promise<StreamAnswer> => {
  const given = headers()
  given.set('Nats-Msg-Id', id)
  return publishes.publish({ subject: SUBJECT, payload: id, headers: given, ackMsMax: LONG_MS, ...more })
}

describe('what the stream says', () => {
  it('each of a thousand at once gets the answer of its own message, and a repetition that of the first', async () => {
    const held = await stream()
    const ids = Array.from({ length: 1_000 }, (_, at) => `event ${at}`)
    const answers = await Promise.all(ids.map((id) => publish(id)))
    expect(answers).toEqual(ids.map((_, at) => ({ kind: 'stored', duplicate: false, sequence: at + 1 })))
    expect(await publish('event 7')).toEqual({ kind: 'stored', duplicate: true, sequence: 8 })
    expect(await held()).toBe(1_000)
  })

  it('a full stream refuses, and what it took before it keeps', async () => {
    const held = await stream({ max_msgs: 2 })
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => publish(id)))
    expect(answers.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'refused'])
    expect(answers[2]).toMatchObject({ reason: 'maximum messages exceeded' })
    expect(await held()).toBe(2)
  })

  it('a refusal carries the code of the server', async () => {
    await stream({ max_msg_size: 1_000 })
    const answer = await publish('large', { payload: 'x'.repeat(2_000) })
    expect(answer).toMatchObject({ kind: 'refused', code: 10_054 })
  })
})

describe('when nobody answers', () => {
  it('a subject of no stream is silence at once', async () => {
    expect(await publish('lost')).toEqual({ kind: 'silence', reason: 'no stream takes the subject' })
  })

  it('somebody else who takes the subject and says nothing is silence at the deadline', async () => {
    connectionOf(link).subscribe(SUBJECT, { callback: () => {} })
    const answer = await publish('swallowed', { ackMsMax: 200 })
    expect(answer).toEqual({ kind: 'silence', reason: 'not acknowledged in time' })
  })

  it('an answer after the deadline is taken for that of no other message', async () => {
    connectionOf(link).subscribe(SUBJECT, {
      callback: (_, { data, reply = '' }) => {
        const isFirst = Buffer.from(data).toString() === 'first'
        const say = (seq: number) => connectionOf(link).publish(reply, `{"stream":"X","seq":${seq}}`)
        if (isFirst) setTimeout(() => say(1), 300)
        else setTimeout(() => say(2), 600)
      },
    })
    const first = await publish('first', { ackMsMax: 100 })
    const second = await publish('second')
    expect([first.kind, second]).toEqual(['silence', { kind: 'stored', duplicate: false, sequence: 2 }])
  })
})

const notNow = (): void => {
  throw new RangeError('not now')
}

describe('what cannot leave', () => {
  it('what no server could take rejects, and nothing is sent', async () => {
    const held = await stream()
    await expect(publish('huge', { payload: 'x'.repeat(2_000_000) })).rejects.toThrow('max_payload')
    await publish('next')
    expect(await held()).toBe(1)
  })

  it('what is not permitted in the turn in which it would leave rejects with the reason, and nothing is sent', async () => {
    const held = await stream()
    const denying = publish('denied', { permit: notNow })
    const [denied, next] = await Promise.allSettled([denying, publish('next')])
    expect([denied.status, next.status]).toEqual(['rejected', 'fulfilled'])
    expect(denied).toMatchObject({ reason: new RangeError('not now') })
    expect(await held()).toBe(1)
  })

  it('without a server it rejects, and goes on with the next one over the same inbox', async () => {
    const held = await stream()
    await publish('before')
    await nats.kill()
    await expect.poll(() => link.connection, { timeout: 30_000 }).toBeUndefined()
    await expect(publish('meanwhile')).rejects.toBeInstanceOf(NotConnected)
    await nats.start()
    await link.whenConnected(AbortSignal.timeout(LONG_MS))
    // The stream needs a moment to come back.
    await expect
      .poll(() => publish('after', { ackMsMax: 1_000 }), { timeout: LONG_MS, interval: 200 })
      .toMatchObject({ kind: 'stored' })
    expect(await held()).toBe(2)
  }, 120_000)
})

describe('a user who may not listen to its inbox', () => {
  it('hears silence at once, not at the deadline, and what was sent is stored', async () => {
    const file = join(tmpdir(), `acked-${randomUUID()}.conf`)
    writeFileSync(
      file,
      `authorization { users = [
        { user: all, password: secret }
        { user: deaf, password: secret, permissions: { subscribe: { deny: ["_INBOX_deaf.>"] } } }
      ] }`,
    )
    const strict = await OwnNats.start(['--config', file])
    const all = await connect({ servers: strict.host, user: 'all', pass: 'secret' })
    const deaf = connectNats({ url: `nats://deaf:secret@${strict.host}`, user: 'deaf', logger: silentLogger })
    try {
      const manager = await jetstreamManager(all)
      await manager.streams.add({ name: STREAM, subjects: [SUBJECT] })
      await deaf.whenConnected(AbortSignal.timeout(30_000))
      publishes = new AckedPublishes({ link: deaf })
      const answer = await publish('unheard', { ackMsMax: 600_000 })
      expect(answer).toEqual({ kind: 'silence', reason: 'no right to hear the answer' })
      await expect.poll(async () => (await manager.streams.info(STREAM)).state.messages).toBe(1)
    } finally {
      await deaf.close()
      await all.close()
      await strict.close()
      rmSync(file)
    }
  })
})
