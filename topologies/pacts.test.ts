import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { complaintsAboutMessages, type AskedMessage, type Consumer, type MadeMessage } from '../dev/pacts.ts'
import { inboundReceiptExample, requestExample } from '../streams/contracts/examples.ts'
import { ROUTE_LOOKUP } from '../streams/contracts/lookups.ts'
import { dispatchCommands, outboundRequests, submitResults } from '../streams/contracts/outbound.ts'
import { billingEvents, webhookEvents } from '../streams/contracts/outcomes.ts'
import { inboundReceipts } from '../streams/contracts/receipts.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import { receiptEventId, submitResultEventId } from '../streams/domain/event-id.ts'
import { Driver } from '../streams/testing/driver.ts'
import { allTopologies } from './all.ts'

/** What the consumers of the log's outcomes rely on, asked of the topologies themselves. */

const START = Date.parse('2026-04-18T10:23:40.020Z')
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const iso = (ms: number): string => new Date(ms).toISOString()

/** The words of the operator by which a message of as many segments gets there. */
const STATS_OF: Readonly<Record<string, readonly string[]>> = {
  DELIVERED: ['DELIVRD'],
  UNDELIVERED: ['UNDELIV'],
  EXPIRED: ['EXPIRED'],
  REJECTED: ['REJECTD'],
  FAILED: ['DELETED'],
  PARTIAL: ['DELIVRD', 'UNDELIV'],
  UNKNOWN: ['ACCEPTD'],
}

/** Runs one message from its request to the receipts; what was emitted to the topic last. */
function lastOf<V>(topic: Topic<V>, dlrStatus: string): V {
  const stats = STATS_OF[dlrStatus] ?? []
  const driver = new Driver(allTopologies({ rulesOf: () => ['exact'] }), {
    now: START,
    answer: ({ lookup }, at) =>
      lookup === ROUTE_LOOKUP
        ? { kind: 'found', value: { operatorId, routeId: 'rt-44-a' }, at }
        : { kind: 'found', value: { ends: [], read: [] }, at },
  })
  const body = 'x'.repeat(stats.length === 1 ? 20 : stats.length * 153)
  const callbackUrl = 'https://client.example/dlr'
  driver.pipe(outboundRequests, { ...requestExample, body, segmentCount: stats.length, callbackUrl })
  const [command] = driver.read(dispatchCommands)
  if (command === undefined) throw new Error('the message was not sent')
  const { messageId, tenantId, accountId, to, enqueuedAt, segmentCount, metadata } = command
  const owner = { messageId, tenantId, accountId, to, enqueuedAt, segmentCount, callbackUrl }
  for (const [index, stat] of stats.entries()) {
    driver.advance(1_000)
    const segmentIndex = index + 1
    const operatorMessageId = `OP-${segmentIndex}`
    const at = iso(driver.now)
    const cause = { messageId, segmentIndex, operatorId, outcome: 'ACCEPTED' as const, operatorMessageId }
    const result = { ...cause, ...owner, totalSegments: stats.length, submittedAt: at, occurredAt: at }
    const eventId = submitResultEventId(cause)
    driver.pipe(submitResults, { schemaVersion: '1.0', eventId, ...result, ...(metadata && { metadata }) })
    const said = { operatorId, operatorMessageId, stat, receivedAt: at }
    const receipt = { ...inboundReceiptExample, ...said, eventId: receiptEventId(said), occurredAt: at }
    driver.pipe(inboundReceipts, receipt)
  }
  const last = driver.read(topic).at(-1)
  if (last === undefined) throw new Error(`nothing was emitted to ${topic.name}`)
  return last
}

const Wanted = z.object({ dlrStatus: z.string() })
const wantedOf = ({ providerStates }: AskedMessage): string =>
  Wanted.parse(providerStates[0]?.params).dlrStatus

const made =
  <V>(topic: Topic<V>) =>
  (asked: AskedMessage): MadeMessage => {
    const payload = lastOf(topic, wantedOf(asked))
    return { payload, headers: topic.headers(payload) }
  }
const without =
  (field: string, make: (asked: AskedMessage) => MadeMessage) =>
  (asked: AskedMessage): MadeMessage => {
    const { payload, headers } = make(asked)
    const kept = Object.entries(z.record(z.string(), z.unknown()).parse(payload))
    return { payload: Object.fromEntries(kept.filter(([name]) => name !== field)), headers }
  }

const bare =
  (make: (asked: AskedMessage) => MadeMessage) =>
  (asked: AskedMessage): MadeMessage => ({ ...make(asked), headers: {} })

/** Met by what is made, and missed as soon as one of the fields is not there. */
function heldBy(
  consumer: Consumer,
  make: (asked: AskedMessage) => MadeMessage,
  fields: readonly string[],
): void {
  it('gets from the topologies what its pact asks for, of every outcome', async () => {
    expect(await complaintsAboutMessages(consumer, make)).toBe('')
  }, 60_000)

  it.each(fields)(
    'would not take a message without %s',
    async (field) => {
      const complaints = await complaintsAboutMessages(consumer, without(field, make))
      expect(complaints).toMatch(new RegExp(`missing the following keys: ${field}`))
    },
    60_000,
  )

  it('would not take one without the headers of its tenant and message', async () => {
    const complaints = await complaintsAboutMessages(consumer, bare(make))
    expect(complaints).toContain('X-Tenant-Id')
    expect(complaints).toContain('X-Correlation-ID')
  }, 60_000)
}

describe('DLR-008.3 DLR-008.5 the billing service', () => {
  const fields = ['messageId', 'accountId', 'segmentCount', 'dlrStatus', 'operatorId', 'deliveredSegments']
  heldBy('billing-service', made(billingEvents), fields)
})

describe('DLR-009.2 DLR-009.4 the webhook dispatcher', () => {
  const fields = ['messageId', 'accountId', 'dlrStatus', 'to', 'occurredAt', 'callbackUrl', 'segments']
  heldBy('webhook-dispatcher', made(webhookEvents), fields)
})

it('DLR-008.2 there is no bill of a message that is UNKNOWN: no consumer could ask for one', () => {
  expect(() => lastOf(billingEvents, 'UNKNOWN')).toThrow('nothing was emitted')
})
