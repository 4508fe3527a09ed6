import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { encode } from '../../streams/contracts/decode.ts'
import {
  outboundDeadLetters,
  OutboundRequest,
  outboundRequests,
  statusEvents,
  type DeadLetterReason,
  type OutboundDeadLetter,
} from '../../streams/contracts/outbound.ts'
import type { Topic } from '../../streams/contracts/topic.ts'
import { deadLetterEventId, requestEventId } from '../../streams/domain/event-id.ts'
import {
  absent,
  found,
  messageId,
  refused as refusedByEngine,
  unavailable,
  World,
  type Reply,
} from '../../topologies/outbound/testing/outbound.suite.ts'
import { requestExample } from '../../streams/contracts/examples.ts'
import { orchSink } from '../postgres/sinks.ts'
import { insertMessage, openScene, silentHooks, type Scene } from '../testing/scene.suite.ts'
import { deadMessages } from './dead-messages.ts'

let scene: Scene
let world: World
const nowMs = Date.parse('2026-04-18T12:00:00.000Z')
beforeAll(async () => {
  scene = await openScene('dead')
})
afterAll(() => scene.close())
beforeEach(() => insertMessage(scene))
afterEach(() =>
  scene.admin.query(
    'TRUNCATE orch.sms_messages, orch.dead_letters, orch.outbox, orch.admin_actions, smpp.message_correlations',
  ),
)

const desk = () => deadMessages(scene.as('admin_svc'), { now: () => nowMs, newId: randomUUID })
const order = { actor: 'ann', reason: 'the engine is back', again: false }

async function store<V>(topic: Topic<V>, values: readonly V[]): Promise<void> {
  const records = values.map((value, offset) => ({
    topic: topic.name,
    partition: 0,
    offset,
    timestamp: 0,
    key: null,
    value: Buffer.from(encode(value)),
    headers: {},
  }))
  if (records.length > 0)
    await orchSink(scene.as('orch_sink'), silentHooks).handle({
      topic: topic.name,
      partition: 0,
      next: records.length,
      records,
    })
}

/** What the topology has emitted since the last look, in the tables. */
async function project() {
  const emitted = world.emitted()
  await store(statusEvents, emitted.statuses)
  await store(outboundDeadLetters, emitted.deadLetters)
  return emitted
}

/** A message that the topology gives up, and its sink has stored so. */
async function buried(reply: Reply = unavailable()): Promise<OutboundDeadLetter> {
  world = new World(reply)
  world.request()
  world.driver.advance(20_000)
  const [letter] = (await project()).deadLetters
  if (letter === undefined) throw new Error('the message was not given up')
  return letter
}

const OutboxRow = z.object({
  event_id: z.string(),
  tenant_id: z.string(),
  subject: z.string(),
  msg_id: z.string(),
  headers: z.record(z.string(), z.string()),
  payload: OutboundRequest.strict(),
})
const outbox = async () =>
  z
    .array(OutboxRow)
    .parse(await scene.rows('SELECT event_id, tenant_id, subject, msg_id, headers, payload FROM orch.outbox'))

/** As relay, NATS and bridge do: the event with its headers reaches the topology. */
async function deliver(): Promise<void> {
  for (const { payload, headers } of await outbox())
    world.driver.pipe(outboundRequests, payload, { headers, at: world.driver.now })
}
const statusOf = async () => (await scene.rows('SELECT status FROM orch.sms_messages'))[0]?.['status']
const count = async (table: string) =>
  (await scene.rows(`SELECT count(*)::int AS count FROM ${table}`))[0]?.['count']

describe('ORC-9.1 [T12] a dead letter', () => {
  it('goes from the topology through the sink to the desk, and from there to the topology: sent once', async () => {
    const letter = await buried()
    expect(letter.eventId).toBe(deadLetterEventId(messageId, 6))
    expect(await desk().list({ isOpen: true, limit: 10 })).toMatchObject([
      {
        deadLetterId: letter.eventId,
        messageId,
        tenantId: requestExample.tenantId,
        reason: 'max_attempts',
        attemptCount: 3,
        finalStatus: 'DEAD_LETTER',
        failedAt: letter.failedAt,
        replayedAt: null,
      },
    ])
    expect(await desk().replay(letter.eventId, order)).toEqual({ kind: 'issued', messageId, seq: 6 })
    expect(await outbox()).toEqual([
      {
        event_id: requestEventId(messageId),
        tenant_id: requestExample.tenantId,
        subject: 'sms.outbound.request',
        msg_id: `sms.outbound.request:${letter.eventId}`,
        headers: {
          'X-Tenant-Id': requestExample.tenantId,
          'X-Correlation-ID': messageId,
          'dead-letter-replay': `${letter.eventId}:6`,
        },
        payload: { ...requestExample, occurredAt: requestExample.enqueuedAt },
      },
    ])
    world.reply = found
    await deliver()
    const { statuses, commands } = await project()
    expect(statuses.map(({ seq, newStatus }) => [seq, newStatus])).toEqual([
      [7, 'ROUTING'],
      [8, 'ROUTED'],
      [9, 'SENT'],
    ])
    expect(commands).toHaveLength(1)
    expect(await statusOf()).toBe('SENT')
    // The relay may publish twice, the bridge write twice.
    await deliver()
    expect(world.emitted()).toMatchObject({ statuses: [], commands: [] })
  })

  it('is kept with who replayed it and why, in the same transaction', async () => {
    const { eventId } = await buried()
    await desk().replay(eventId, order)
    expect(await scene.rows('SELECT replayed_at, replayed_by FROM orch.dead_letters')).toEqual([
      { replayed_at: new Date(nowMs), replayed_by: 'ann' },
    ])
    expect(
      await scene.rows('SELECT action, target, actor, reason, detail, at FROM orch.admin_actions'),
    ).toEqual([
      {
        action: 'deadletter.replay',
        target: eventId,
        actor: 'ann',
        reason: 'the engine is back',
        detail: { messageId, tenantId: requestExample.tenantId, seq: 6, again: false },
        at: new Date(nowMs),
      },
    ])
    expect(await desk().list({ isOpen: true, limit: 10 })).toEqual([])
    await scene.admin.query('DELETE FROM orch.outbox; UPDATE orch.dead_letters SET replayed_at = NULL')
    await scene.admin.query(`ALTER TABLE orch.admin_actions ADD CONSTRAINT odd CHECK (actor <> 'bob')`)
    await expect(desk().replay(eventId, { ...order, actor: 'bob' })).rejects.toThrow('odd')
    await scene.admin.query('ALTER TABLE orch.admin_actions DROP CONSTRAINT odd')
    expect([await count('orch.outbox'), (await desk().find(eventId))?.message.replayedAt]).toEqual([0, null])
  })

  it('on trial answers the same and changes nothing, and is found by when it was given up', async () => {
    const { eventId, failedAt } = await buried()
    const trial = { ...order, isTrial: true }
    expect(await desk().replay(eventId, trial)).toEqual({ kind: 'issued', messageId, seq: 6 })
    expect([await count('orch.outbox'), await count('orch.admin_actions')]).toEqual([0, 0])
    expect(await desk().list({ isOpen: true, since: failedAt, limit: 10 })).toHaveLength(1)
    const later = new Date(Date.parse(failedAt) + 1).toISOString()
    expect(await desk().list({ isOpen: true, since: later, limit: 10 })).toEqual([])
    await scene.admin.query(`UPDATE orch.sms_messages SET dlr_status = 'DELIVERED'`)
    expect(await desk().replay(eventId, trial)).toMatchObject({ kind: 'refused' })
  })

  it('is issued once, also when two people ask at the same time', async () => {
    const { eventId } = await buried()
    const ends = await Promise.all([1, 2, 3].map(() => desk().replay(eventId, order)))
    expect(ends.map(({ kind }) => kind).toSorted()).toEqual(['already', 'already', 'issued'])
    expect([await count('orch.outbox'), await count('orch.admin_actions')]).toEqual([1, 1])
    expect(await desk().replay(eventId, { ...order, actor: 'bob' })).toEqual({
      kind: 'already',
      at: new Date(nowMs).toISOString(),
      by: 'ann',
    })
  })

  it('whose order was lost is issued again when that is wanted, under the same id, and is taken once', async () => {
    const { eventId } = await buried()
    await desk().replay(eventId, order)
    const [lost] = await outbox()
    await scene.admin.query('DELETE FROM orch.outbox')
    expect(await desk().replay(eventId, { ...order, again: true })).toMatchObject({ kind: 'issued' })
    expect(await outbox()).toEqual([lost])
    expect(await count('orch.admin_actions')).toBe(2)
    world.reply = found
    await deliver()
    await project()
    expect(await desk().replay(eventId, { ...order, again: true })).toEqual({
      kind: 'refused',
      refusal: 'the message has gone on since: it is SENT',
    })
  })

  it('of a message that died again is no longer the one to replay', async () => {
    const { eventId } = await buried()
    await desk().replay(eventId, order)
    await deliver()
    world.driver.advance(20_000)
    const [later] = (await project()).deadLetters
    expect(later?.seq).toBe(11)
    await scene.admin.query('UPDATE orch.sms_messages SET status_seq = 6')
    expect(await desk().replay(eventId, { ...order, again: true })).toEqual({
      kind: 'refused',
      refusal: 'the message was replayed and died again: its later dead letter counts',
    })
    await scene.admin.query('UPDATE orch.sms_messages SET status_seq = 11')
    expect(await desk().replay(later?.eventId ?? '', order)).toMatchObject({ kind: 'issued', seq: 11 })
  })
})

const correlate = () =>
  scene.admin.query(
    `INSERT INTO smpp.message_correlations (message_id, operator_message_id, operator_id, destination, segment_index,
       total_segments, submitted_at, expires_at) VALUES ($1, 'x', $1, '+447700900123', 1, 1, now(), now())`,
    [messageId],
  )
const set = (columns: string) => () => scene.admin.query(`UPDATE orch.sms_messages SET ${columns}`)

describe('never sent twice, never billed twice: no replay', () => {
  it.each([
    ['an operator has a segment of it', correlate, 'an operator has accepted a segment of this message'],
    [
      'it has an outcome, which was billed',
      set(`dlr_status = 'REJECTED'`),
      'the message has an outcome: REJECTED',
    ],
    [
      'it has gone on by itself',
      set(`status = 'SENT', status_seq = 9`),
      'the message has gone on since: it is SENT',
    ],
    [
      'a topology made from nothing buried what was sent',
      set(`status = 'SENT'`),
      'the message has gone on since: it is SENT',
    ],
    [
      'the tables are behind',
      set(`status = 'ROUTING', status_seq = 5`),
      'the table still shows the message as ROUTING: the sink is behind, try again later',
    ],
    [
      'its row is gone',
      () => scene.admin.query('DELETE FROM orch.sms_messages'),
      'the message has no row any more, so nobody could follow where it goes',
    ],
    [
      'its event cannot be read',
      () => scene.admin.query(`UPDATE orch.dead_letters SET payload = payload - 'seq'`),
      'the stored event cannot be read',
    ],
  ])('when %s', async (_, change, refusal) => {
    const { eventId } = await buried()
    await change()
    for (const again of [false, true])
      expect(await desk().replay(eventId, { ...order, again })).toEqual({ kind: 'refused', refusal })
    expect([await count('orch.outbox'), await count('orch.admin_actions')]).toEqual([0, 0])
    expect((await desk().find(eventId))?.message.replayedAt).toBeNull()
  })

  it.each<readonly [DeadLetterReason, Reply]>([
    ['no_route', absent],
    ['validation', refusedByEngine],
  ])('of one that is FAILED for %s: it can never be sent', async (reason, reply) => {
    const { eventId } = await buried(reply)
    expect(await desk().list({ reason, isOpen: false, limit: 10 })).toMatchObject([{ finalStatus: 'FAILED' }])
    expect(await desk().list({ isOpen: true, limit: 10 })).toEqual([])
    expect(await desk().replay(eventId, order)).toEqual({
      kind: 'refused',
      refusal: `the message is FAILED (${reason}): sent again as it is, it would fail again`,
    })
  })

  it('of one that does not exist', async () => {
    expect(await desk().replay(randomUUID(), order)).toEqual({ kind: 'absent' })
    expect(await desk().find(randomUUID())).toBeUndefined()
  })
})

it('the list is bounded, newest first, and by tenant and message', async () => {
  const letter = await buried()
  await scene.admin.query(
    `INSERT INTO orch.dead_letters SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), account_id, enqueued_at, 'no_route',
       failure_reason, attempt_count, payload, failed_at - make_interval(hours => n) FROM orch.dead_letters, generate_series(1, 5) AS n`,
  )
  const all = await desk().list({ isOpen: false, limit: 4 })
  expect(all.map(({ failedAt }) => failedAt)).toEqual(
    all
      .map(({ failedAt }) => failedAt)
      .toSorted()
      .toReversed(),
  )
  expect([all.length, all[0]?.deadLetterId]).toEqual([4, letter.eventId])
  const only = async (filter: { tenantId?: string; messageId?: string; reason?: string }) =>
    (await desk().list({ ...filter, isOpen: false, limit: 10 })).length
  expect(await only({ tenantId: letter.tenantId })).toBe(1)
  expect(await only({ messageId })).toBe(1)
  expect(await only({ reason: 'no_route' })).toBe(5)
})
