import { randomUUID } from 'node:crypto'
import { jetstream } from '@nats-io/jetstream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Recorded, SubmitEntry } from '../../../dev/neighbours/smsc/journal.ts'
import type { Smsc } from '../../../dev/neighbours/smsc/smsc.ts'
import { encode } from '../../../streams/contracts/decode.ts'
import { submitResultExample } from '../../../streams/contracts/examples.ts'
import type { DispatchCommand } from '../../../streams/contracts/outbound.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { connectRedis, type SharedState } from '../../redis.ts'
import { commandTo, phone, until } from '../../testing/invented.suite.ts'
import { envOf, Rig, type Heard } from '../../testing/rig.suite.ts'
import { createJournal } from './journal.ts'
import type { SegmentProgress } from '../progress.ts'

let rig: Rig
let shared: SharedState
beforeEach(async () => {
  rig = new Rig()
  shared = connectRedis({
    url: envOf('REDIS_URL'),
    now: () => performance.now(),
    logger: silentLogger,
  })
  rig.onClose(() => shared.close())
  await until(() => shared.isUp)
})
afterEach(() => rig.close())

const submitsOf = (smsc: Smsc): readonly SubmitEntry[] =>
  smsc.entries().filter((entry): entry is Recorded & SubmitEntry => entry.kind === 'submit')
const acknowledged = (): Promise<void> => until(async () => (await rig.unacknowledged()) === 0, 15_000)
const told = ({ results }: Heard): readonly (readonly unknown[])[] =>
  results.map(({ segmentIndex, outcome, operatorMessageId, uncertain }) => [
    segmentIndex,
    outcome,
    operatorMessageId,
    uncertain,
  ])

/** What a process that was killed has left behind about a command. */
const leave = async (
  { messageId }: DispatchCommand,
  index: number,
  progress: SegmentProgress,
): Promise<void> => {
  const key = `smpp:progress:${messageId}`
  await shared.attempt((redis) => redis.hset(key, String(index), JSON.stringify(progress)))
}

const resultOf = (operatorMessageId: string) => ({
  outcome: 'ACCEPTED' as const,
  operatorId: rig.operatorId,
  operatorMessageId,
  commandStatus: 0,
  submittedAt: '2026-11-28T10:00:00.000Z',
})

/**
 * The command comes as one that NATS has never delivered, which it is after its durable was lost.
 */
async function after(progress: SegmentProgress): Promise<{ smsc: Smsc; heard: Heard }> {
  const { smsc, heard } = await rig.openAll()
  const command = commandTo(rig.operatorId, { to: phone('916') })
  await leave(command, 1, progress)
  await rig.send(command)
  await acknowledged()
  return { smsc, heard }
}

describe('CON-5.5 [S11] a process was killed', () => {
  it('before or after it sent, which nobody knows: sent once more', async () => {
    const { smsc, heard } = await after({ state: 'submitting', resubmits: 0 })
    const id = submitsOf(smsc)[0]?.messageId
    expect(told(heard)).toEqual([[1, 'ACCEPTED', id, undefined]])
    expect(submitsOf(smsc)).toHaveLength(1)
  })

  it('while it waited for a late answer: sent once more', async () => {
    const { smsc } = await after({ state: 'doubt', resubmits: 0 })
    expect(submitsOf(smsc)).toHaveLength(1)
  })

  it.each(['submitting', 'doubt'] as const)(
    'with the second copy %s: not sent, and uncertain',
    async (state) => {
      const { smsc, heard } = await after({ state, resubmits: 1 })
      expect(told(heard)).toEqual([[1, 'ACCEPTED', undefined, true]])
      expect(submitsOf(smsc)).toEqual([])
    },
  )

  it('between the result and NATS: only the result is published, as it was', async () => {
    const { smsc, heard } = await after({ state: 'result', result: resultOf('op-1') })
    expect(heard.results).toMatchObject([
      { operatorMessageId: 'op-1', submittedAt: '2026-11-28T10:00:00.000Z' },
    ])
    expect(submitsOf(smsc)).toEqual([])
  })

  it('between NATS and the acknowledgement: nothing is sent, nothing published', async () => {
    const { smsc, heard } = await after({ state: 'published', result: resultOf('op-1') })
    expect([submitsOf(smsc), heard.results]).toEqual([[], []])
  })

  it('with a text that nobody can read in the journal: in doubt', async () => {
    const { smsc, heard } = await rig.openAll()
    const command = commandTo(rig.operatorId, { to: phone('916') })
    await shared.attempt((redis) => redis.hset(`smpp:progress:${command.messageId}`, '1', 'a text'))
    await rig.send(command)
    await acknowledged()
    expect(submitsOf(smsc)).toHaveLength(1)
    expect(heard.results).toHaveLength(1)
  })
})

const lifeOf = async (messageId: string) => shared.attempt((redis) => redis.ttl(`smpp:progress:${messageId}`))

describe('[S4] what is in Redis ends by itself', () => {
  it('also of a command that was given back before anything was written of it', async () => {
    const messageId = randomUUID()
    const record = await createJournal(shared, () => {}).open(messageId)
    await record.write(1, { state: 'submitting', resubmits: 0 })
    expect(await lifeOf(messageId)).toBeGreaterThan(71 * 3_600)
  })

  it('also when Redis was away for the first word', async () => {
    const messageId = randomUUID()
    let isAway = true
    const sometimes: SharedState = {
      attempt: (call) => (isAway ? Promise.resolve(undefined) : shared.attempt(call)),
      isUp: true,
      close: () => {},
    }
    const record = createJournal(sometimes, () => {}).openNew(messageId)
    await record.write(1, { state: 'submitting', resubmits: 0 })
    isAway = false
    await record.write(1, { state: 'result', result: resultOf('op-1') })
    expect(await lifeOf(messageId)).toBeGreaterThan(71 * 3_600)
  })
})

describe('fault R6: Redis has been emptied', () => {
  it('a command that comes again is not sent when NATS holds its result', async () => {
    await rig.openNats()
    await rig.addDurable(rig.operatorId)
    const command = await rig.send({ to: phone('916'), body: 'a'.repeat(200) })
    const other = await rig.send({ to: phone('916') })
    await deliveredElsewhere(2)
    await publishResult(command, 1)
    const heard = await rig.hear()
    const smsc = await rig.openSmsc()
    await rig.openManagement(smsc.port)
    await rig.bound(await rig.startGateway())
    await acknowledged()
    expect(submitsOf(smsc).map((submit) => [submit.destination, submit.index])).toEqual(
      expect.arrayContaining([
        [command.to.slice(1), 2],
        [other.to.slice(1), 1],
      ]),
    )
    expect(submitsOf(smsc)).toHaveLength(2)
    expect(new Set(told(heard).map(([index]) => index))).toEqual(new Set([1, 2]))
  })

  it('a command that comes twice as a new message is sent once', async () => {
    const { smsc, heard } = await rig.openAll()
    const command = await rig.send({ to: phone('916') })
    await acknowledged()
    await rig.send({ ...command, eventId: randomUUID() })
    await acknowledged()
    expect(submitsOf(smsc)).toHaveLength(1)
    expect(heard.results).toHaveLength(1)
  })
})

/** Another process has had the commands, and has given them back. */
async function deliveredElsewhere(count: number): Promise<void> {
  const consumer = await jetstream(rig.nats).consumers.get(
    'SMPP_OUTBOUND',
    `smpp-connector-${rig.operatorId}`,
  )
  for await (const message of await consumer.fetch({ max_messages: count })) message.nak()
  await rig.nats.flush()
}

async function publishResult(command: DispatchCommand, segmentIndex: number): Promise<void> {
  const { messageId, to } = command
  const event = {
    ...submitResultExample,
    eventId: randomUUID(),
    operatorId: rig.operatorId,
    totalSegments: 2,
    messageId,
    segmentIndex,
    to,
  }
  await rig.nats.request('smpp.submit.result', encode(event), { timeout: 5_000 })
}

/** Ids with the same end, of which the reference used to be made. */
const idWithEnd = (): string => `${randomUUID().slice(0, -4)}b1e7`

describe('fault G5: the parts of two messages are told apart', () => {
  it.each([8, 16] as const)(
    '%i bits: messages of one pair have references one after the other',
    async (refBits) => {
      const { smsc } = await rig.openAll({ options: { [rig.operatorId]: { refBits } } })
      const to = phone('916')
      for (let count = 0; count < 3; count += 1)
        await rig.send({ messageId: idWithEnd(), to, body: 'a'.repeat(200) })
      await acknowledged()
      const references = [...new Set(submitsOf(smsc).map((submit) => submit.reference ?? -1))]
      expect(references).toHaveLength(3)
      const follow = (first: number): boolean =>
        [1, 2].every((step) => references.includes((first + step) % 2 ** refBits))
      expect(references.filter(follow)).toHaveLength(1)
    },
  )

  it('a message that comes again keeps its reference, and no key holds a number', async () => {
    const { smsc, running } = await rig.openAll()
    const to = phone('932')
    const command = await rig.send({ to, body: 'a'.repeat(200) })
    await acknowledged()
    const submits = submitsOf(smsc).filter((submit) => submit.destination === to.slice(1))
    expect(submits.length).toBeGreaterThan(2)
    expect(new Set(submits.map((submit) => submit.reference)).size).toBe(1)
    await running.stop()
    const keys = (await shared.attempt((redis) => redis.keys('smpp:*'))) ?? []
    expect(keys.some((key) => key.startsWith('smpp:ref:'))).toBe(true)
    expect(keys.filter((key) => key.includes(to.slice(1)) || key.includes(command.from))).toEqual([])
    const ref = keys.find((key) => key.startsWith('smpp:ref:')) ?? ''
    expect(await shared.attempt((redis) => redis.ttl(ref))).toBeGreaterThan(71 * 3_600)
  })

  it('without Redis the references go on from a random start', async () => {
    const { smsc } = await rig.openAll({
      redisUrl: 'redis://127.0.0.1:1',
      timings: { leaseMs: 300, leaseRenewMs: 100 },
    })
    const to = phone('916')
    for (let count = 0; count < 3; count += 1) await rig.send({ to, body: 'a'.repeat(200) })
    await acknowledged()
    expect(new Set(submitsOf(smsc).map((submit) => submit.reference)).size).toBe(3)
  })
})

describe('fault G4: alphabets on the wire', () => {
  it('a sender that the operator cannot write is REJECTED and not sent', async () => {
    const { smsc, heard, running } = await rig.openAll({
      options: { [rig.operatorId]: { charset: 'latin1' } },
    })
    await rig.send({ from: 'ΩMEGA', body: 'a'.repeat(200) })
    await acknowledged()
    expect(told(heard)).toEqual([
      [1, 'REJECTED', undefined, undefined],
      [2, 'REJECTED', undefined, undefined],
    ])
    expect(submitsOf(smsc)).toEqual([])
    expect(rig.log.some((line) => line.includes('sender_alphabet'))).toBe(true)
    expect(await running.metric('smpp_connector_sender_refused_total')).toBe(1)
  })
})
