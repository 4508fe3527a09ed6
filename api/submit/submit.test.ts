import { beforeEach, describe, expect, test } from 'vitest'
import { requestExample } from '../../streams/contracts/examples.ts'
import { OutboundRequest } from '../../streams/contracts/outbound.ts'
import { silentLogger } from '../../streams/platform/logger.ts'
import { Metrics } from '../../streams/platform/metrics.ts'
import type { Publication } from '../outbox/event-publisher.ts'
import { claimOf, type StoredReply } from './idempotency.ts'
import { createInstruments } from '../instruments.ts'
import { storedReplyOf, type Insertion, type NewMessage } from './message-store.ts'
import type { DeliveredRow } from '../outbox/deletion.ts'
import { createSubmit, type SubmitRequest } from './submit.ts'

const { messageId, tenantId, accountId, enqueuedAt } = requestExample
const command = {
  to: requestExample.to,
  from: requestExample.from,
  body: requestExample.body,
  messageType: requestExample.messageType,
  metadata: { campaignId: 'camp-001' },
}
const request: SubmitRequest = {
  identity: { tenantId, accountId },
  command,
  idempotencyKey: 'order-42',
  trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
}

let steps: string[]
let cache: Map<string, StoredReply>
let insertions: ((message: NewMessage) => Insertion)[]
let published: Publication[]
let delivered: DeliveredRow[]
let acknowledges: boolean

beforeEach(() => {
  steps = []
  cache = new Map()
  insertions = []
  published = []
  delivered = []
  acknowledges = true
})

function submit(change: Partial<SubmitRequest> = {}) {
  const use = createSubmit({
    cache: {
      get: async (hash) => {
        steps.push('cache.get')
        return cache.get(hash)
      },
      set: async (hash, stored) => {
        steps.push('cache.set')
        cache.set(hash, stored)
      },
    },
    store: {
      insert: async (message) => {
        steps.push('insert')
        return insertions.shift()?.(message) ?? { kind: 'stored' }
      },
    },
    publisher: {
      connected: true,
      publish: async (event) => {
        steps.push('publish')
        published.push(event)
        return acknowledges
      },
    },
    delivered: { add: (row) => void delivered.push(row), close: async () => {} },
    instruments: createInstruments(new Metrics()),
    logger: silentLogger,
    now: () => Date.parse(enqueuedAt),
    newId: () => messageId,
  })
  return use({ ...request, ...change })
}

const gone = (): Insertion => ({ kind: 'taken', by: undefined })
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
      msgId: `sms.outbound.request:${messageId}`,
      headers: {
        'X-Tenant-Id': tenantId,
        'X-Correlation-ID': messageId,
        traceparent: request.trace['traceparent'],
      },
    })
  })

  test('keeps the expiry that the client asked for', async () => {
    const expiresAt = '2026-04-18T11:00:00.000Z'
    await submit({ command: { ...command, expiresAt } })
    expect(JSON.parse(published[0]?.payload ?? '')).toMatchObject({ expiresAt })
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
  const replayed = { kind: 'replayed', reply: { ...reply, messageId: accountId } }
  const taken = (message: NewMessage): Insertion => {
    if (message.claim === undefined) throw new Error('expected a claim')
    const stored = storedReplyOf(message, message.claim)
    return { kind: 'taken', by: { ...stored, reply: { ...stored.reply, messageId: accountId } } }
  }

  test('found in the cache is answered from there', async () => {
    await submit()
    steps.length = 0
    expect(await submit()).toEqual({ kind: 'replayed', reply })
    expect(steps).toEqual(['cache.get'])
  })

  test('found in Postgres is answered from there, and nothing is published', async () => {
    insertions = [taken]
    expect(await submit()).toEqual(replayed)
    expect(published).toEqual([])
  })

  test('ORC-1.10 with another body is a conflict, from the cache as from Postgres', async () => {
    const { fingerprint } = claimOf(accountId, 'order-42', { ...command, body: 'other' })
    insertions = [
      (message) => {
        const insertion = taken(message)
        if (insertion.kind !== 'taken' || insertion.by === undefined) throw new Error('expected a reply')
        return { ...insertion, by: { ...insertion.by, fingerprint } }
      },
    ]
    expect(await submit()).toEqual({ kind: 'conflict' })
    await submit()
    expect(await submit({ command: { ...command, body: 'other' } })).toEqual({ kind: 'conflict' })
  })

  test('in the cache of another tenant is not answered from there', async () => {
    await submit()
    steps.length = 0
    await submit({ identity: { tenantId: messageId, accountId } })
    expect(steps).toEqual(['cache.get'])
  })

  test('that has gone between two looks is tried again, and never for ever', async () => {
    insertions = [gone]
    expect(await submit()).toMatchObject({ kind: 'accepted' })
    cache.clear()
    insertions = [gone, gone, gone, gone]
    expect(await submit()).toEqual({ kind: 'conflict' })
    expect(insertions).toHaveLength(1)
  })
})
