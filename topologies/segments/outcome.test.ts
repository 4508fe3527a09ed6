import { describe, expect, it } from 'vitest'
import { requestExample } from '../../streams/contracts/examples.ts'
import { aggregatedEventId, billingEventId, webhookEventId } from '../../streams/domain/event-id.ts'
import {
  expected,
  HOUR_MS,
  messageId,
  NOTHING,
  operatorId,
  receipt,
  result,
  START,
  World,
} from './testing/segments.suite.ts'

/** D DELIVERED, U UNDELIVERED, F FAILED, R REJECTED, X EXPIRED, ? UNKNOWN, - none. */
const STAT: Readonly<Record<string, string>> = {
  D: 'DELIVRD',
  U: 'UNDELIV',
  F: 'DELETED',
  R: 'REJECTD',
  X: 'EXPIRED',
  '?': 'ACCEPTD',
}

function reported(letters: string, world = new World()): World {
  const all = letters.split(' ')
  world.submitted(all.length)
  for (const [index, letter] of all.entries()) {
    const stat = STAT[letter]
    if (stat !== undefined) world.fact(receipt(index + 1, all.length, stat))
  }
  return world
}

describe('[D27] the outcome of all segments', () => {
  it.each([
    ['D', 'DELIVERED'],
    ['D D D', 'DELIVERED'],
    ['D F D', 'FAILED'],
    ['U U', 'UNDELIVERED'],
    ['D U', 'PARTIAL'],
    ['R X', 'PARTIAL'],
    ['R R', 'REJECTED'],
    ['X X X', 'EXPIRED'],
    ['F U', 'FAILED'],
  ])('DLR-008.1 DLR-009.1 DLR-018.2 %s is %s, with one bill and one webhook', (letters, status) => {
    const { aggregated, billing, webhooks } = reported(letters).emitted()
    const count = letters.split(' ').length
    expect(aggregated).toMatchObject([{ status, closedBy: 'ALL_RECEIVED', received: count, expected: count }])
    expect(billing).toMatchObject([{ dlrStatus: status }])
    expect(webhooks).toMatchObject([{ dlrStatus: status }])
  })

  it('DLR-018.3 waits while a segment has no answer, for it or for 24 h: D F -', () => {
    const [answered, silent] = [reported('D F -'), reported('D F -')]
    for (const world of [answered, silent])
      expect(world.emitted()).toMatchObject({ aggregated: [], billing: [], webhooks: [] })
    answered.fact(receipt(3, 3, 'DELIVRD'))
    expect(answered.emitted()).toMatchObject({ aggregated: [{ status: 'FAILED', closedBy: 'ALL_RECEIVED' }] })
    silent.driver.advance(24 * HOUR_MS - 1)
    expect(silent.emitted().aggregated).toEqual([])
    silent.driver.advance(1)
    expect(silent.emitted()).toMatchObject({ aggregated: [{ status: 'PARTIAL', closedBy: 'GRACE_EXPIRED' }] })
  })

  it('DLR-008.2 DLR-009.1 DLR-004.2 ? is a webhook UNKNOWN and nothing else, D after it the outcome', () => {
    const world = reported('?')
    const first = world.emitted()
    expect(first).toMatchObject({ aggregated: [], billing: [], webhooks: [{ dlrStatus: 'UNKNOWN' }] })
    expect(first.records).toMatchObject([{ kind: 'RECEIPT', applied: true }])
    expect(first.records[0]).not.toHaveProperty('messageOutcome')
    world.fact(receipt(1, 1, 'DELIVRD'))
    expect(world.emitted()).toMatchObject({
      aggregated: [{ status: 'DELIVERED' }],
      billing: [{ dlrStatus: 'DELIVERED' }],
      webhooks: [{ dlrStatus: 'DELIVERED' }],
    })
  })

  it('DLR-019.2 D ? is PARTIAL 1 of 2 after 24 h', () => {
    const world = reported('D ?')
    world.emitted()
    world.driver.advance(24 * HOUR_MS)
    expect(world.emitted()).toMatchObject({
      aggregated: [{ status: 'PARTIAL', received: 1, expected: 2, closedBy: 'GRACE_EXPIRED' }],
    })
  })

  it('DLR-019.2 - - is PARTIAL 0 of 2 after 24 h', () => {
    const world = reported('- -')
    world.driver.advance(24 * HOUR_MS)
    expect(world.emitted()).toMatchObject({
      aggregated: [{ status: 'PARTIAL', received: 0, expected: 2 }],
      billing: [{ dlrStatus: 'PARTIAL', deliveredSegments: 0 }],
    })
  })

  it('DELIVRD, then UNDELIV is DELIVERED, and the second is late', () => {
    const world = reported('D')
    world.emitted()
    world.fact(receipt(1, 1, 'UNDELIV'))
    expect(world.emitted()).toMatchObject({
      ...NOTHING,
      records: [{ kind: 'LATE', messageStatus: 'DELIVERED' }],
    })
  })
})

describe('[D29] the events of the outcome', () => {
  it('DLR-018.4 emits outcome, bill and webhook once, with the row of the receipt that closed the message', () => {
    const world = new World().submitted(1)
    world.fact(receipt(1, 1, 'DELIVRD', { errorCode: '000' }))
    const { tenantId, accountId, to, enqueuedAt } = requestExample
    const at = new Date(START + 6000).toISOString()
    const envelope = { schemaVersion: '1.0', occurredAt: at, messageId, tenantId, accountId, operatorId }
    const segments = [{ segmentIndex: 1, status: 'DELIVERED', errorCode: '000', receivedAt: at }]
    const { aggregated, billing, webhooks, records } = world.emitted()
    expect(aggregated).toEqual([
      {
        ...envelope,
        eventId: aggregatedEventId(messageId),
        status: 'DELIVERED',
        received: 1,
        expected: 1,
        closedBy: 'ALL_RECEIVED',
        segments,
        enqueuedAt,
      },
    ])
    expect(billing).toEqual([
      {
        ...envelope,
        eventId: billingEventId(messageId),
        eventType: 'DLR_TERMINAL',
        dlrStatus: 'DELIVERED',
        segmentCount: 1,
        deliveredSegments: 1,
      },
    ])
    expect(webhooks).toEqual([
      {
        ...envelope,
        eventId: webhookEventId(messageId, 'DELIVERED'),
        dlrStatus: 'DELIVERED',
        to,
        metadata: { campaignId: 'camp-001' },
        segments,
      },
    ])
    expect(records).toMatchObject([
      {
        kind: 'RECEIPT',
        applied: true,
        messageOutcome: { status: 'DELIVERED', at, received: 1, expected: 1 },
      },
    ])
  })

  it('DLR-019.4 lists every segment to the webhook, PENDING where nothing came', () => {
    const world = reported('D - ?')
    world.driver.advance(24 * HOUR_MS)
    const statuses = world.emitted().webhooks.map((event) => event.segments.map((segment) => segment.status))
    expect(statuses).toEqual([['DELIVERED', 'PENDING', 'UNKNOWN']])
  })

  it.each([
    ['D D', 2, 2],
    ['D U', 2, 1],
    ['D F', 2, 1],
  ])('bills %s as %i segments, %i delivered', (letters, segmentCount, deliveredSegments) => {
    expect(reported(letters).emitted().billing).toMatchObject([{ segmentCount, deliveredSegments }])
  })

  it.each([
    ['DELIVRD', 3],
    ['UNDELIV', 0],
  ])('counts a message sent whole as all or nothing: %s, 3 segments, %i delivered', (stat, delivered) => {
    const world = new World()
    world.fact(expected(3, { expectedSegments: 1 }))
    world.result(result(1, 1, 'ACCEPTED', { segmentCount: 3 }))
    world.fact(receipt(1, 1, stat, { segmentCount: 3 }))
    expect(world.emitted().billing).toMatchObject([{ segmentCount: 3, deliveredSegments: delivered }])
  })

  it('names the operator really used for segment 1', () => {
    const backup = 'a1b2c3d4-58cc-4372-a567-0e02b2c3d479'
    const world = new World()
    world.fact(expected(1))
    world.result(result(1, 1, 'REJECTED', { operatorId: backup }))
    expect(world.emitted()).toMatchObject({
      aggregated: [{ operatorId: backup }],
      billing: [{ operatorId: backup }],
    })
  })

  it('[D23] tells UNKNOWN once, however many receipts say it', () => {
    const world = reported('? ?')
    world.fact(receipt(1, 2, 'UNKNOWN', { operatorMessageId: 'OP-1b' }))
    expect(world.emitted().webhooks).toMatchObject([{ dlrStatus: 'UNKNOWN' }])
  })

  it('[D23] does not tell UNKNOWN while a segment has said nothing', () => {
    expect(reported('? -').emitted().webhooks).toEqual([])
  })

  it.each([
    ['a day after its last receipt could have come', 168, 192],
    ['96 h after closing, where receipts may take only a day', 24, 96],
  ])('[DB96] is forgotten %s', (_, correlationHours, hours) => {
    const world = reported('D', new World({ correlationHours }))
    world.driver.advance(hours * HOUR_MS - 1)
    expect(world.driver.rowCount).toBe(1)
    world.driver.advance(1)
    expect(world.driver.rowCount).toBe(0)
  })

  it('is not opened and billed once more by a receipt that is still joined with its segment', () => {
    const world = reported('D')
    world.emitted()
    for (const hours of [25, 97, 168]) {
      world.driver.advance(START + hours * HOUR_MS - world.driver.now)
      world.fact(receipt(1, 1, 'UNDELIV', { receivedAt: world.driver.now }))
      expect(world.emitted()).toMatchObject({
        ...NOTHING,
        records: [{ kind: 'LATE', messageStatus: 'DELIVERED' }],
      })
    }
    world.driver.advance(48 * HOUR_MS)
    expect(world.driver.rowCount).toBe(0)
    world.fact(receipt(1, 1, 'DELIVRD', { receivedAt: START + 168 * HOUR_MS }))
    expect(world.emitted()).toMatchObject({ ...NOTHING, records: [{ kind: 'LATE', messageStatus: null }] })
    expect(world.driver.rowCount).toBe(0)
  })
})
