import { beforeEach, describe, expect, test } from 'vitest'
import { requestExample } from '../../streams/contracts/examples.ts'
import { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import type { Publication } from '../outbox/event-publisher.ts'
import { claimOf, type StoredReply } from './idempotency.ts'
import { createInstruments } from '../instruments.ts'
import type { Insertion, MessageStore } from './message-store.ts'
import type { DeliveredRow } from '../outbox/deletion.ts'
import { DependencyUnavailable } from '../problem.ts'
import { parseCommand } from './command.ts'
import { createSubmit, type SubmitItem } from './submit.ts'

const { messageId, tenantId, accountId, enqueuedAt } = requestExample
const command = {
  to: requestExample.to,
  from: requestExample.from,
  body: requestExample.body,
  messageType: requestExample.messageType,
  metadata: { campaignId: 'camp-001' },
}
const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
const identity = { tenantId, accountId }

let steps: string[]
let cache: Map<string, StoredReply>
/** What Postgres remembers. */
let kept: Map<string, StoredReply>
let insertions: Insertion[]
let published: Publication[]
let delivered: DeliveredRow[]
let acknowledges: boolean
let nowMs: number
/** Resolves when the transactions that are under way have ended. */
let transactions: Promise<void>
/** Resolves when the cache answers. */
let looks: Promise<void>
let isAway: boolean

beforeEach(() => {
  steps = []
  cache = new Map()
  kept = new Map()
  insertions = []
  published = []
  delivered = []
  acknowledges = true
  nowMs = Date.parse(enqueuedAt)
  transactions = Promise.resolve()
  looks = Promise.resolve()
  isAway = false
})

const store: MessageStore = {
  insert: async (messages, { replaceExpired = false, rollBack = false, isAnswered } = {}) => {
    await transactions
    if (isAnswered?.() === true) return messages.map(() => 'taken')
    if (isAway) throw new DependencyUnavailable('postgres', new Error('away'))
    steps.push(`${replaceExpired ? 'replace' : 'insert'}${rollBack ? ' rolled back' : ''}`)
    return messages.map(() => insertions.shift() ?? 'stored')
  },
  storedReplies: async (tenant, hashes) => {
    expect(tenant).toBe(tenantId)
    return new Map([...kept].filter(([hash]) => hashes.includes(hash)))
  },
}

const use = () =>
  createSubmit({
    cache: {
      get: async (hash) => {
        steps.push('cache.get')
        await looks
        return cache.get(hash)
      },
      set: async (hash, stored) => {
        steps.push('cache.set')
        cache.set(hash, stored)
      },
    },
    store,
    publisher: {
      connected: true,
      publish: async (event) => {
        steps.push('publish')
        published.push(event)
        await looks
        return { kind: acknowledges ? 'acknowledged' : 'unknown' }
      },
    },
    delivered: { add: (row) => void delivered.push(row), close: async () => {} },
    instruments: createInstruments(new Metrics()),
    logger: silentLogger,
    now: () => nowMs,
    newId: () => messageId,
  })

async function submit(change: Partial<SubmitItem> = {}) {
  const [outcome] = await use()({
    identity,
    trace,
    items: [{ command, idempotencyKey: 'order-42', ...change }],
  })
  return outcome
}

const reply = { messageId, status: 'QUEUED', segmentCount: 1, encoding: 'GSM7', enqueuedAt }

describe('a new message', () => {
  test('is looked up, stored, cached and published, in this order', async () => {
    expect(await submit()).toEqual({ kind: 'accepted', reply })
    expect(steps).toEqual(['cache.get', 'insert', 'cache.set', 'publish'])
  })

  test('MIG-2.3 becomes the event of the contract, under the ids and headers of the contract', async () => {
    await submit()
    const [event] = published
    expect(OutboundRequest.parse(JSON.parse(event?.payload ?? ''))).toEqual(requestExample)
    expect(event).toMatchObject({
      subject: 'sms.outbound.request',
      msgId: messageId,
      headers: {
        'X-Tenant-Id': tenantId,
        'X-Correlation-ID': messageId,
        traceparent: trace.traceparent,
      },
    })
  })

  test('keeps the expiry that the client asked for', async () => {
    const expiresAt = '2026-04-18T11:00:00.000Z'
    await submit({ command: { ...command, expiresAt } })
    expect(JSON.parse(published[0]?.payload ?? '')).toMatchObject({ expiresAt })
  })

  test('[SM8] [SM7] with sendAt is SCHEDULED, says so in its reply, and lives 48 h from then', async () => {
    const sendAt = '2026-04-20T08:00:00.000Z'
    const expected = { kind: 'accepted', reply: { ...reply, status: 'SCHEDULED', sendAt } }
    expect(await submit({ command: { ...command, sendAt } })).toEqual(expected)
    const event = OutboundRequest.parse(JSON.parse(published[0]?.payload ?? ''))
    expect(event).toMatchObject({ sendAt, expiresAt: '2026-04-22T08:00:00.000Z' })
  })

  test('[SM14] sendAt belongs to what a key stands for: with another one it is a conflict', async () => {
    const sendAt = '2026-04-20T08:00:00.000Z'
    await submit({ command: { ...command, sendAt } })
    expect(await submit({ command: { ...command, sendAt } })).toMatchObject({
      kind: 'replayed',
      reply: { status: 'SCHEDULED', sendAt },
    })
    expect(await submit()).toEqual({ kind: 'conflict' })
    expect(await submit({ command: { ...command, sendAt: '2026-04-20T08:00:00.001Z' } })).toEqual({
      kind: 'conflict',
    })
  })

  test('[SM8] repeated after its sendAt it gets the stored reply; new it is refused', async () => {
    const sendAt = '2026-04-18T10:23:41.500Z'
    const kind = async (key: string) =>
      (await submit({ command: { ...command, sendAt }, idempotencyKey: key }))?.kind
    expect(await kind('a')).toBe('accepted')
    nowMs += 2_500
    expect([await kind('a'), await kind('b')]).toEqual(['replayed', 'untimely'])
  })

  test('without a key touches no cache', async () => {
    await submit({ idempotencyKey: undefined })
    expect(steps).toEqual(['insert', 'publish'])
  })

  test('ORC-1.7 is accepted although the publish failed, and stays in the outbox', async () => {
    acknowledges = false
    expect(await submit()).toEqual({ kind: 'accepted', reply })
    expect(delivered).toEqual([])
  })

  test('leaves the outbox once NATS has acknowledged it', async () => {
    await submit()
    expect(delivered).toEqual([{ eventId: requestExample.eventId, createdAt: enqueuedAt }])
  })
})

describe('ORC-1.4 a used key', () => {
  const claim = claimOf(identity, 'order-42', command)
  const stored = (change: Partial<StoredReply> = {}): StoredReply => ({
    fingerprint: claim.fingerprint,
    expiresAt: '2026-04-20T10:23:40.000Z',
    reply: { messageId: accountId, status: 'QUEUED', segmentCount: 1, encoding: 'GSM7', enqueuedAt },
    ...change,
  })
  const replayed = { kind: 'replayed', reply: { ...reply, messageId: accountId } }

  test('found in the cache before its transaction begins is answered from there', async () => {
    await submit()
    steps.length = 0
    transactions = new Promise((resolve) => void setImmediate(resolve))
    expect(await submit()).toEqual({ kind: 'replayed', reply })
    expect(steps).toEqual(['cache.get'])
  })

  test('found in the cache is answered although Postgres is away, and nothing else is', async () => {
    await submit()
    isAway = true
    looks = new Promise((resolve) => void setImmediate(resolve))
    expect(await submit()).toEqual({ kind: 'replayed', reply })
    await expect(submit({ idempotencyKey: 'another' })).rejects.toBeInstanceOf(DependencyUnavailable)
  })

  test('that Postgres finds free is new, whatever the cache says meanwhile', async () => {
    cache.set(claim.hash, stored())
    looks = new Promise((resolve) => void setImmediate(resolve))
    expect(await submit()).toEqual({ kind: 'accepted', reply })
  })

  test('found in Postgres is answered from there, and nothing is published', async () => {
    insertions = ['taken']
    kept.set(claim.hash, stored())
    expect(await submit()).toEqual(replayed)
    expect(published).toEqual([])
  })

  test('ORC-1.10 with another body is a conflict, from the cache as from Postgres', async () => {
    const other = { command: { ...command, body: 'other' } }
    insertions = ['taken']
    kept.set(claim.hash, stored())
    expect(await submit(other)).toEqual({ kind: 'conflict' })
    cache.set(claim.hash, stored())
    expect(await submit(other)).toEqual({ kind: 'conflict' })
    expect(published).toEqual([])
  })

  test('fault A13: no metadata and metadata without entries are one body', () => {
    const { metadata, ...without } = command
    expect(metadata).toBeDefined()
    const [none, empty] = [without, { ...without, metadata: {} }].map((body) => parseCommand(body, nowMs))
    expect(none).toMatchObject({ ok: true })
    expect(empty).toEqual(none)
  })

  test('that has expired is replaced, and one that has gone meanwhile is tried again', async () => {
    insertions = ['taken', 'stored']
    kept.set(claim.hash, stored({ expiresAt: enqueuedAt }))
    expect(await submit()).toMatchObject({ kind: 'accepted' })
    expect(steps.filter((step) => /insert|replace/.test(step))).toEqual(['insert', 'replace'])
  })

  test('that is never at rest is an outage after three looks, not a fault of the request', async () => {
    insertions = ['taken', 'taken', 'taken', 'taken']
    await expect(submit()).rejects.toBeInstanceOf(DependencyUnavailable)
    expect(insertions).toHaveLength(1)
  })

  describe('fault A7: whose body asked for an expiry that has passed meanwhile', () => {
    const expiring = { ...command, expiresAt: '2026-04-18T10:23:41.500Z' }
    const kind = async (change: Partial<SubmitItem> = {}) =>
      (await submit({ command: expiring, ...change }))?.kind

    test('is answered from the cache as from Postgres', async () => {
      expect(await kind()).toBe('accepted')
      nowMs += 2_500
      expect(await kind()).toBe('replayed')
      kept = new Map(cache)
      cache.clear()
      expect(await kind()).toBe('replayed')
      expect(published).toHaveLength(1)
    })

    test('is refused when the key is new, is another one, or there is none', async () => {
      nowMs += 2_500
      expect(await kind()).toBe('untimely')
      expect(await kind({ idempotencyKey: undefined })).toBe('untimely')
      kept.set(claim.hash, stored({ expiresAt: enqueuedAt }))
      expect(await kind()).toBe('untimely')
      expect(published).toEqual([])
    })

    test('is a conflict when the body is another one', async () => {
      nowMs += 2_500
      kept.set(claim.hash, stored())
      expect(await kind()).toBe('conflict')
    })
  })
})

test('MIG-3.1 in shadow mode nothing is kept, published or cached, and the answer is the same', async () => {
  const items = [{ command, idempotencyKey: 'order-42' }]
  expect(await use()({ identity, trace, items, isShadow: true })).toEqual([{ kind: 'accepted', reply }])
  expect(steps).toEqual(['cache.get', 'insert rolled back'])
  expect([published, delivered, [...cache]]).toEqual([[], [], []])
})

describe('several items', () => {
  test('are decided each by itself, in one insertion, in their order', async () => {
    const items = ['a', 'b', 'c', 'd'].map((key) => ({ command, idempotencyKey: key }))
    const hashOf = (key: string) => claimOf(identity, key, command).hash
    const { fingerprint } = claimOf(identity, 'a', command)
    const known: StoredReply = {
      fingerprint,
      expiresAt: '2026-04-20T10:23:40.000Z',
      reply: { messageId: accountId, status: 'QUEUED', segmentCount: 1, encoding: 'GSM7', enqueuedAt },
    }
    cache.set(hashOf('b'), known)
    kept.set(hashOf('c'), { ...known, fingerprint: 'another' })
    insertions = ['stored', 'taken', 'stored']
    const outcomes = await use()({ identity, trace, items })
    expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'replayed', 'conflict', 'accepted'])
    expect(steps.filter((step) => step === 'insert')).toHaveLength(1)
    expect(published).toHaveLength(2)
  })
})
