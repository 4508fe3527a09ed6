import { describe, expect, it } from 'vitest'
import { CORRELATION_HOURS } from '../../streams/contracts/correlation-hours.ts'
import { requestExample } from '../../streams/contracts/examples.ts'
import { sentEventId } from '../../streams/domain/event-id.ts'
import { Aggregate, wasAccepted } from './aggregate.ts'
import {
  expected,
  HOUR_MS,
  messageId,
  operatorId,
  NOTHING,
  receipt,
  result,
  START,
  World,
} from './testing/segments.suite.ts'

const { tenantId, accountId, to, enqueuedAt } = requestExample
const OLD_ROW = { tenantId, accountId, to, operatorId, enqueuedAt, segmentCount: 2, expected: 2, terminal: 0 }

const row = (...segments: object[]) => ({ ...OLD_ROW, segments })

const later = (ms: number) => ({ submittedAt: new Date(START + ms).toISOString() })

describe('the sent processor', () => {
  it('files an accepted segment under its operator and id, for the hours of [K8]', () => {
    const world = new World()
    const accepted = result(1, 2)
    world.result(accepted)
    expect(world.emitted().sent).toMatchObject([
      {
        eventId: sentEventId(accepted.eventId),
        canonicalId: 'OP-1',
        segmentIndex: 1,
        totalSegments: 2,
        expiresAt: new Date(START + CORRELATION_HOURS * HOUR_MS).toISOString(),
      },
    ])
  })

  it('files nothing that was not accepted', () => {
    const world = new World()
    world.result(result(1, 2, 'REJECTED'))
    expect(world.emitted().sent).toEqual([])
  })

  it('warns of an accepted segment without an id', () => {
    const world = new World()
    const { operatorMessageId: _, ...accepted } = result(1, 1)
    world.result(accepted)
    expect(world.emitted().sent).toEqual([])
    expect(world.noted('dlr.sent_without_id')).toHaveLength(1)
  })
})

describe('submit results ([D11] to [D15])', () => {
  it.each(['REJECTED', 'EXPIRED'] as const)(
    '[D15] %s ends its segment and, being the last, the message',
    (outcome) => {
      const world = new World()
      world.fact(expected(1))
      world.result(result(1, 1, outcome, { commandStatus: 11 }))
      expect(world.emitted()).toMatchObject({
        records: [
          { kind: 'SEGMENT', status: outcome, commandStatus: 11, messageOutcome: { status: outcome } },
        ],
        aggregated: [{ status: outcome }],
        billing: [{ dlrStatus: outcome, deliveredSegments: 0 }],
        webhooks: [{ dlrStatus: outcome }],
      })
    },
  )

  it('[D15] leaves a terminal segment alone', () => {
    const world = new World().submitted(2)
    world.fact(receipt(1, 2, 'DELIVRD'))
    world.emitted()
    world.result(result(1, 2, 'REJECTED'))
    expect(world.emitted()).toEqual(NOTHING)
  })

  it('[D12] has no effect on a closed message', () => {
    const world = new World().submitted(1)
    world.fact(receipt(1, 1, 'DELIVRD'))
    const row = JSON.stringify(world.row)
    world.emitted()
    world.result(result(1, 1, 'EXPIRED'))
    world.fact(expected(2, {}, START + HOUR_MS))
    expect(world.emitted()).toEqual(NOTHING)
    expect(JSON.stringify(world.row)).toBe(row)
  })

  it('[D11] a re-read emits the same again, outcome included', () => {
    const world = new World()
    world.fact(expected(2))
    world.fact(receipt(1, 2, 'DELIVRD'))
    world.emitted()
    const offset = world.result(result(2, 2, 'REJECTED'))
    const first = world.emitted()
    const row = JSON.stringify(world.row)
    world.result(result(2, 2, 'REJECTED'), { offset })
    expect(world.emitted()).toEqual(first)
    expect(JSON.stringify(world.row)).toBe(row)
  })

  it('takes the number of parts from the first submission', () => {
    const world = new World()
    world.fact(expected(3))
    world.result(result(1, 1, 'ACCEPTED', { segmentCount: 3 }))
    world.fact(receipt(1, 1, 'DELIVRD', { segmentCount: 3 }))
    expect(world.emitted().aggregated).toMatchObject([{ expected: 1, status: 'DELIVERED' }])
  })

  it('notes a part that the message does not have, and keeps its receipt without effect', () => {
    const world = new World().submitted(1)
    world.result(result(2, 2))
    world.fact(receipt(2, 2, 'DELIVRD'))
    expect(world.emitted()).toMatchObject({ records: [{ kind: 'RECEIPT', applied: false }], aggregated: [] })
    expect(world.noted('dlr.segment_outside')).toHaveLength(2)
  })

  it('opens the message itself when it comes first', () => {
    const world = new World()
    world.result(result(1, 1))
    world.fact(receipt(1, 1, 'DELIVRD'))
    world.fact(expected(1))
    expect(world.emitted().aggregated).toHaveLength(1)
  })
})

describe('the grace ([D25], [D26])', () => {
  it('DLR-019.1 fires 24 h after the submission, on a silent partition too', () => {
    const world = new World()
    world.fact(expected(2))
    world.result(result(1, 2))
    world.emitted()
    world.driver.advance(24 * HOUR_MS - 1)
    expect(world.emitted().aggregated).toEqual([])
    world.driver.advance(1)
    const at = new Date(START + 24 * HOUR_MS).toISOString()
    expect(world.emitted()).toMatchObject({
      records: [
        {
          kind: 'PARTIAL_TIMEOUT',
          received: 0,
          expected: 2,
          at,
          messageOutcome: { status: 'PARTIAL', at, received: 0, expected: 2 },
        },
      ],
      aggregated: [{ occurredAt: at, status: 'PARTIAL' }],
      billing: [{}],
      webhooks: [{}],
    })
    expect(world.noted('dlr.partial')).toMatchObject([{ received: 0, expected: 2 }])
  })

  it('[D26b] a message of which no operator had a part has failed, is told once and is not billed', () => {
    const world = new World()
    world.fact(expected(2))
    world.result(result(1, 2, 'REJECTED'))
    world.emitted()
    world.driver.advance(24 * HOUR_MS)
    const at = new Date(START + 24 * HOUR_MS).toISOString()
    expect(world.emitted()).toMatchObject({
      records: [
        {
          kind: 'PARTIAL_TIMEOUT',
          closedBy: 'NOT_SENT',
          messageOutcome: { status: 'FAILED', at, received: 1, expected: 2 },
        },
      ],
      aggregated: [{ status: 'FAILED', closedBy: 'NOT_SENT', received: 1, expected: 2 }],
      billing: [],
      webhooks: [{ dlrStatus: 'FAILED' }],
    })
    expect(world.noted('dlr.not_sent')).toMatchObject([{ received: 1, expected: 2 }])
    expect(world.noted('dlr.partial')).toEqual([])
    world.fact(receipt(2, 2, 'DELIVRD', { receivedAt: START + 25 * HOUR_MS }))
    expect(world.emitted()).toMatchObject({
      ...NOTHING,
      records: [{ kind: 'LATE', messageStatus: 'FAILED' }],
    })
  })

  it('[D26b] what an operator had once is billed, also when it was refused or had no place after that', () => {
    for (const second of [result(1, 2, 'EXPIRED'), result(3, 3, 'REJECTED')]) {
      const world = new World()
      world.fact(expected(2))
      world.result(second.segmentIndex === 1 ? result(1, 2) : result(3, 3, 'ACCEPTED', { totalSegments: 2 }))
      world.result(second)
      world.driver.advance(24 * HOUR_MS)
      expect(world.emitted()).toMatchObject({ aggregated: [{ closedBy: 'GRACE_EXPIRED' }], billing: [{}] })
    }
  })

  it('[D26b] a row of an older version tells by its segments whether an operator had a part', () => {
    const segment = { receipts: [] }
    const [position, taken] = [
      'smpp.submit.result:0:1',
      { eventId: messageId, receiptId: messageId, effect: 'applied' },
    ]
    for (const [sent, given] of [
      [false, row()],
      [false, row({ ...segment, status: 'PENDING' }, { ...segment, status: 'REJECTED', by: position })],
      [true, row({ ...segment, status: 'SUBMITTED' })],
      [true, row({ ...segment, status: 'UNKNOWN' })],
      [true, row({ ...segment, status: 'DELIVERED' })],
      [true, row({ receipts: [taken], status: 'REJECTED', by: position })],
    ] as const)
      expect({ given, sent: wasAccepted(Aggregate.parse(given)) }).toEqual({ given, sent })
  })

  it('[D14] moves with the latest submission, whatever order the submissions are read in', () => {
    const world = new World()
    world.fact(expected(2))
    world.result(result(2, 2, 'ACCEPTED', later(3 * HOUR_MS)))
    world.result(result(1, 2, 'ACCEPTED', later(HOUR_MS)))
    world.driver.advance(27 * HOUR_MS - 1)
    expect(world.emitted().aggregated).toEqual([])
    world.driver.advance(1)
    expect(world.emitted().aggregated).toHaveLength(1)
  })

  it('counts from the submission that a receipt tells of, when nothing else has come', () => {
    const world = new World()
    world.fact(receipt(1, 2, 'DELIVRD'))
    world.driver.advance(24 * HOUR_MS)
    expect(world.emitted().aggregated).toMatchObject([{ status: 'PARTIAL', received: 1, expected: 2 }])
  })

  it('counts from the latest command of a message that was replayed, whatever is read again', () => {
    const world = new World()
    const first = expected(1)
    const offset = world.fact(first)
    world.fact(expected(1, { operatorId: 'a1b2c3d4-58cc-4372-a567-0e02b2c3d479' }, START + HOUR_MS))
    const row = JSON.stringify(world.row)
    world.fact(first, { offset })
    expect(JSON.stringify(world.row)).toBe(row)
    world.driver.advance(25 * HOUR_MS - 1)
    expect(world.emitted().aggregated).toEqual([])
  })

  it('[D25] does not fire for a closed message', () => {
    const world = new World().submitted(1)
    world.fact(receipt(1, 1, 'DELIVRD'))
    world.emitted()
    expect(Object.keys(world.row?.timers ?? {})).toEqual(['expire'])
    world.driver.advance(48 * HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
  })
})
