import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SubmitResult } from '../../streams/contracts/outbound.ts'
import type { ReceiptFact } from '../../streams/contracts/receipts.ts'
import {
  expected,
  HOUR_MS,
  NOTHING,
  operatorId,
  receipt,
  result,
  START,
  World,
} from './testing/segments.suite.ts'

const backup = 'a1b2c3d4-58cc-4372-a567-0e02b2c3d479'

/** Its operator reports on one segment only; the backup on all. */
const worldOf = (scope: 'first' | 'last', total: number): World => {
  const world = new World({ scopeOf: (operator) => (operator === operatorId ? scope : 'all') })
  world.fact(expected(total))
  return world
}

const statuses = (world: World) =>
  world.emitted().aggregated.map(({ status, segments }) => [status, ...segments.map((one) => one.status)])

describe('an operator that reports on one segment of a long message [PD2]', () => {
  it.each([
    ['first', 1],
    ['last', 3],
  ] as const)('speaks for all that it accepted when it reports on the %s', (scope, at) => {
    const world = worldOf(scope, 3)
    for (const index of [1, 2, 3]) world.result(result(index, 3))
    world.emitted()
    const fact = receipt(at, 3, 'DELIVRD', { errorCode: '000' })
    world.fact(fact)
    const { records, aggregated, billing, webhooks } = world.emitted()
    expect(records.map((record) => [record.kind, 'segmentIndex' in record && record.segmentIndex])).toEqual([
      ['RECEIPT', at],
      ...[1, 2, 3].filter((index) => index !== at).map((index) => ['SEGMENT', index]),
    ])
    expect(records[1]).toMatchObject({
      status: 'DELIVERED',
      at: fact.receipt.receivedAt,
      errorCode: '000',
      totalSegments: 3,
    })
    expect(records.filter((record) => 'messageOutcome' in record)).toMatchObject([{ kind: 'RECEIPT' }])
    expect(aggregated).toMatchObject([
      { status: 'DELIVERED', received: 3, expected: 3, closedBy: 'ALL_RECEIVED' },
    ])
    expect(billing).toMatchObject([{ dlrStatus: 'DELIVERED', deliveredSegments: 3 }])
    expect(webhooks).toHaveLength(1)
  })

  it.each([1, 2, 3, 5])(
    'gives %i segments one outcome in every order of submissions and receipt',
    (total) => {
      const inputs: (SubmitResult | ReceiptFact)[] = [receipt(1, total, 'UNDELIV')]
      for (let index = 1; index <= total; index += 1) inputs.push(result(index, total))
      const order = fc.shuffledSubarray(inputs, { minLength: inputs.length })
      fc.assert(
        fc.property(order, (given) => {
          const world = worldOf('first', total)
          for (const input of given) {
            if ('kind' in input) world.fact(input)
            else world.result(input)
          }
          const { aggregated, billing, records } = world.emitted()
          expect(aggregated).toMatchObject([{ status: 'UNDELIVERED', received: total }])
          expect(billing).toHaveLength(1)
          expect(records).toHaveLength(total)
          expect(records.filter((record) => 'messageOutcome' in record)).toHaveLength(1)
        }),
      )
    },
    60_000,
  )

  it('[D27] mixes its word with the refusal of another segment', () => {
    const world = worldOf('first', 3)
    world.result(result(1, 3))
    world.result(result(2, 3, 'REJECTED'))
    world.fact(receipt(1, 3, 'DELIVRD'))
    expect(statuses(world)).toEqual([])
    world.result(result(3, 3))
    expect(statuses(world)).toEqual([['PARTIAL', 'DELIVERED', 'REJECTED', 'DELIVERED']])
  })

  it('does not speak for a segment that another operator accepted', () => {
    const world = worldOf('first', 2)
    world.result(result(1, 2))
    world.result(result(2, 2, 'ACCEPTED', { operatorId: backup }))
    world.fact(receipt(1, 2, 'DELIVRD'))
    expect(statuses(world)).toEqual([])
    world.driver.advance(24 * HOUR_MS)
    expect(statuses(world)).toEqual([['PARTIAL', 'DELIVERED', 'PENDING']])
  })

  it('does not speak when the segment that it would report on was refused', () => {
    const world = worldOf('first', 2)
    world.result(result(1, 2, 'REJECTED'))
    world.result(result(2, 2))
    expect(statuses(world)).toEqual([])
    world.driver.advance(24 * HOUR_MS)
    expect(statuses(world)).toEqual([['PARTIAL', 'REJECTED', 'PENDING']])
  })

  it('[D22] is believed when it reports on another segment first after all', () => {
    const world = worldOf('first', 2)
    for (const index of [1, 2]) world.result(result(index, 2))
    world.fact(receipt(2, 2, 'UNDELIV'))
    world.fact(receipt(1, 2, 'DELIVRD'))
    expect(statuses(world)).toEqual([['PARTIAL', 'DELIVERED', 'UNDELIVERED']])
  })

  it('[D23] is one webhook UNKNOWN when it says so of the segment that it reports on', () => {
    const world = worldOf('first', 2)
    for (const index of [1, 2]) world.result(result(index, 2))
    world.fact(receipt(1, 2, 'ENROUTE'))
    expect(world.emitted().webhooks).toMatchObject([{ dlrStatus: 'UNKNOWN' }])
  })

  it('[D11] [D16] [P2] read again says the same, whether the receipt or a submission closed it', () => {
    const last = worldOf('first', 2)
    last.result(result(1, 2))
    last.fact(receipt(1, 2, 'DELIVRD'))
    last.emitted()
    const closing = last.result(result(2, 2))
    const first = last.emitted()
    expect(first.aggregated).toHaveLength(1)
    const row = JSON.stringify(last.row)
    last.result(result(2, 2), { offset: closing })
    expect(last.emitted()).toEqual(first)
    const world = worldOf('first', 2)
    for (const index of [1, 2]) world.result(result(index, 2))
    world.emitted()
    const offset = world.fact(receipt(1, 2, 'DELIVRD'))
    const told = world.emitted()
    world.fact(receipt(1, 2, 'DELIVRD'), { offset, at: START })
    expect(world.emitted()).toEqual(told)
    expect(JSON.stringify(last.row)).toBe(row)
    last.result(result(2, 2))
    expect(last.emitted()).toMatchObject({ ...NOTHING, sent: [{}] })
  })
})
