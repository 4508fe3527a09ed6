import { describe, expect, it } from 'vitest'
import { requestExample } from '../../streams/contracts/examples.ts'
import { lateRowId, quarantineRowId, receiptRowId } from '../../streams/domain/event-id.ts'
import {
  HOUR_MS,
  messageId,
  NOTHING,
  operatorId,
  receipt,
  START,
  World,
  type ReceiptChanges,
} from './testing/segments.suite.ts'

const quarantineId = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'
const MINUTE_MS = 60_000

/** A message of one segment, delivered at START + 6 s. */
function delivered(): World {
  const world = new World().submitted(1)
  world.fact(receipt(1, 1, 'DELIVRD'))
  world.emitted()
  return world
}

describe('a receipt while the message is open', () => {
  it('[D24] is a row, and counted as processed', () => {
    const world = new World().submitted(2)
    world.fact(receipt(1, 2, 'DELIVRD'))
    expect(world.emitted()).toMatchObject({ ...NOTHING, records: [{ kind: 'RECEIPT', applied: true }] })
    expect(world.noted('dlr.processed')).toEqual([
      { messageId, operatorId, dlrStatus: 'DELIVERED', received: 1, expected: 2 },
    ])
  })

  it('[D21] DLR-003.2 DLR-003.3 is dropped and counted when its identity was taken', () => {
    const world = new World().submitted(2)
    world.fact(receipt(1, 2, 'DELIVRD'))
    world.emitted()
    world.fact(receipt(1, 2, 'DELIVRD', { receivedAt: START + 3 * MINUTE_MS }))
    expect(world.emitted()).toEqual(NOTHING)
    expect(world.noted('dlr.duplicate')).toEqual([
      {
        messageId,
        operatorId,
        operatorMessageId: 'OP-1',
        receiptId: receiptRowId(operatorId, 'OP-1', 'DELIVERED'),
      },
    ])
  })

  it('[D22] is kept without effect when its segment is terminal: the first terminal one wins', () => {
    const world = new World().submitted(2)
    world.fact(receipt(1, 2, 'DELIVRD'))
    world.fact(receipt(1, 2, 'UNDELIV'))
    world.fact(receipt(2, 2, 'DELIVRD'))
    const { records, aggregated } = world.emitted()
    expect(records.map((record) => 'applied' in record && record.applied)).toEqual([true, false, true])
    expect(aggregated).toMatchObject([{ status: 'DELIVERED' }])
  })

  it('[D23] UNKNOWN never hides a later terminal one', () => {
    const world = new World().submitted(1)
    world.fact(receipt(1, 1, 'ENROUTE'))
    world.fact(receipt(1, 1, 'UNDELIV'))
    expect(world.emitted().aggregated).toMatchObject([{ status: 'UNDELIVERED' }])
  })

  it('[D23] UNKNOWN again, of a second submit, is taken like the first', () => {
    const world = new World().submitted(2)
    world.fact(receipt(1, 2, 'ENROUTE'))
    world.fact(receipt(1, 2, 'ENROUTE', { operatorMessageId: 'OP-SECOND' }))
    const { records } = world.emitted()
    expect(records.map((record) => 'applied' in record && record.applied)).toEqual([true, true])
  })

  it('remembers a bounded number of repetitions', () => {
    const world = new World().submitted(2)
    for (let i = 0; i < 100; i += 1)
      world.fact(receipt(1, 2, 'DELIVRD', { receivedAt: START + i * MINUTE_MS }))
    const size = JSON.stringify(world.row).length
    world.fact(receipt(1, 2, 'DELIVRD', { receivedAt: START + 200 * MINUTE_MS }))
    expect(JSON.stringify(world.row)).toHaveLength(size)
    world.fact(receipt(2, 2, 'DELIVRD'))
    expect(world.emitted().aggregated).toHaveLength(1)
  })
})

describe('a receipt for a closed message', () => {
  const late: ReceiptChanges = { receivedAt: START + 25 * HOUR_MS }

  it.each(['DELIVRD', 'UNDELIV'])(
    'fault C1: [D18] stands before [D19] and [D20]: what a stale buffer repeats is quarantined, %s too',
    (stat) => {
      const world = delivered()
      const receivedAt = START + 6000 + 25 * HOUR_MS
      world.fact(receipt(1, 1, stat, { receivedAt, deliveredAt: receivedAt - HOUR_MS }))
      expect(world.emitted()).toMatchObject({ ...NOTHING, records: [{ kind: 'QUARANTINED' }] })
      expect([world.noted('dlr.duplicate'), world.noted('dlr.late')]).toEqual([[], []])
    },
  )

  it('fault C1: [D18] quarantines a stale replay days later, as long as it is joined', () => {
    const world = delivered()
    for (const hours of [73, 100, 168]) {
      world.driver.advance(START + hours * HOUR_MS - world.driver.now)
      const receivedAt = world.driver.now
      world.fact(receipt(1, 1, 'DELIVRD', { receivedAt, deliveredAt: START }))
      expect(world.emitted()).toMatchObject({ ...NOTHING, records: [{ kind: 'QUARANTINED' }] })
    }
  })

  it('[D19] DLR-003.2 is a duplicate when it says what is known', () => {
    const world = delivered()
    world.fact(receipt(1, 1, 'DELIVRD', late))
    expect(world.emitted()).toEqual(NOTHING)
    expect(world.noted('dlr.duplicate')).toHaveLength(1)
  })

  it('[D20] DLR-017.1 DLR-017.2 is late when it says something else', () => {
    const world = delivered()
    const fact = receipt(1, 1, 'UNDELIV', late)
    world.fact(fact)
    expect(world.emitted()).toMatchObject({
      ...NOTHING,
      records: [
        {
          kind: 'LATE',
          lateId: lateRowId(fact.receipt.eventId),
          messageStatus: 'DELIVERED',
          terminalAt: new Date(START + 6000).toISOString(),
        },
      ],
    })
    expect(world.noted('dlr.late')).toEqual([{ messageId, operatorId, operatorMessageId: 'OP-1' }])
  })

  it.each([
    ['both conditions', 25 * HOUR_MS, 6 * MINUTE_MS, 'QUARANTINED'],
    ['only the buffer', 23 * HOUR_MS, 6 * MINUTE_MS, 'LATE'],
    ['only the age', 25 * HOUR_MS, 5 * MINUTE_MS, 'LATE'],
    ['no done date', 25 * HOUR_MS, null, 'LATE'],
  ] as const)('[D18] DLR-016.1 with %s is %4$s', (_, age, buffered, kind) => {
    const world = delivered()
    const receivedAt = START + 6000 + age
    const deliveredAt = buffered === null ? null : receivedAt - buffered
    world.fact(receipt(1, 1, 'UNDELIV', { receivedAt, deliveredAt }))
    expect(world.emitted()).toMatchObject({ ...NOTHING, records: [{ kind }] })
  })

  it('[D18] carries what a release needs, and is counted', () => {
    const world = delivered()
    const receivedAt = START + 25 * HOUR_MS
    const fact = receipt(1, 1, 'UNDELIV', { receivedAt, deliveredAt: receivedAt - HOUR_MS })
    world.fact(fact)
    const { tenantId, accountId, enqueuedAt } = requestExample
    expect(world.emitted().records).toMatchObject([
      {
        quarantineId: quarantineRowId(fact.receipt.eventId),
        messageId,
        tenantId,
        accountId,
        enqueuedAt,
        segmentIndex: 1,
        totalSegments: 1,
      },
    ])
    expect(world.noted('dlr.quarantined')).toEqual([{ messageId, operatorId, operatorMessageId: 'OP-1' }])
  })

  it('DLR-017.1 after a grace is late for any status', () => {
    const world = new World().submitted(1)
    world.driver.advance(24 * HOUR_MS)
    world.emitted()
    world.fact(receipt(1, 1, 'DELIVRD', { receivedAt: START + 24 * HOUR_MS }))
    expect(world.emitted()).toMatchObject({
      ...NOTHING,
      records: [{ kind: 'LATE', messageStatus: 'PARTIAL' }],
    })
  })
})

describe('fault C2: an id that holds the number of its message [LG5]', () => {
  const { to } = requestExample
  const operatorMessageId = `SAR-${to.slice(1)}-1eedf843`

  it.each([
    ['dlr.duplicate', 'DELIVRD', 0],
    ['dlr.late', 'UNDELIV', 0],
    ['dlr.quarantined', 'UNDELIV', HOUR_MS],
  ] as const)('is masked in %s', (event, stat, buffered) => {
    const world = delivered()
    const receivedAt = START + 26 * HOUR_MS
    world.fact(receipt(1, 1, stat, { receivedAt, deliveredAt: receivedAt - buffered, operatorMessageId }))
    expect(world.noted(event)).toMatchObject([{ operatorMessageId: 'SAR-[masked]-1eedf843' }])
  })
})

describe('a released receipt', () => {
  const released: ReceiptChanges = {
    receivedAt: START + 48 * HOUR_MS,
    deliveredAt: START,
    quarantineId,
    submitted: false,
  }

  it('[D17] is late when the message is not known any more', () => {
    const world = new World()
    world.fact(receipt(1, 1, 'UNDELIV', released))
    expect(world.emitted()).toMatchObject({
      ...NOTHING,
      records: [{ kind: 'LATE', messageStatus: null, terminalAt: null, release: { quarantineId } }],
    })
    expect(world.driver.rowCount).toBe(0)
  })

  it('[D17] is late for an unknown message, also when its segment is still known', () => {
    const world = new World()
    world.fact(receipt(1, 1, 'UNDELIV', { ...released, submitted: true }))
    expect(world.emitted().records).toMatchObject([{ kind: 'LATE', messageStatus: null }])
  })

  it('[D18] [D20] is late and never quarantined again', () => {
    const world = delivered()
    world.fact(receipt(1, 1, 'UNDELIV', released))
    expect(world.emitted().records).toMatchObject([{ kind: 'LATE', release: { quarantineId } }])
  })

  it('[D19] is answered when it is a duplicate', () => {
    const world = delivered()
    world.fact(receipt(1, 1, 'DELIVRD', released))
    expect(world.emitted().records).toMatchObject([
      { kind: 'RECEIPT', applied: false, release: { quarantineId } },
    ])
    expect(world.noted('dlr.duplicate')).toHaveLength(1)
  })
})
