import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { receiptFingerprint } from './fingerprint.ts'

const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const operatorMessageId = 'OP-MSG-20240418-00123'
const receivedAtMs = Date.parse('2026-04-18T10:23:46.120Z')

test('DLR-015.1 the vector of [N5]', () => {
  expect(receiptFingerprint(operatorId, operatorMessageId, 'DELIVERED', receivedAtMs)).toBe(
    '60ea47d997d39973e152ebd10906c731720eb9e8898635777543b48c8d649d2a',
  )
})

const at = (time: string): string =>
  receiptFingerprint(operatorId, operatorMessageId, 'DELIVERED', Date.parse(time))

test('DLR-015.1 it holds from the first to the last millisecond of a minute, and no longer', () => {
  expect(at('2026-04-18T10:23:00.000Z')).toBe(at('2026-04-18T10:23:59.999Z'))
  expect(at('2026-04-18T10:23:59.999Z')).not.toBe(at('2026-04-18T10:24:00.000Z'))
  expect(at('2026-04-18T10:22:59.999Z')).not.toBe(at('2026-04-18T10:23:00.000Z'))
})

test('DLR-015.1 the separator keeps an id that ends in UN with DELIVERED apart from UNDELIVERED', () => {
  expect(receiptFingerprint(operatorId, 'X', 'UNDELIVERED', receivedAtMs)).not.toBe(
    receiptFingerprint(operatorId, 'XUN', 'DELIVERED', receivedAtMs),
  )
})

test('DLR-015.1 another operator, id, status or minute gives another fingerprint, separators in ids included', () => {
  const statuses = fc.constantFrom('DELIVERED' as const, 'UNDELIVERED' as const)
  const ids = fc.string({ unit: fc.constantFrom('a', '|', 'D'), maxLength: 4 })
  const receipts = fc.tuple(
    fc.constantFrom(operatorId, operatorMessageId),
    ids,
    statuses,
    fc.nat({ max: 200_000 }),
  )
  fc.assert(
    fc.property(receipts, receipts, (one, other) => {
      const identity = (r: typeof one): string =>
        JSON.stringify([r[0], r[1], r[2], Math.floor(r[3] / 60_000)])
      expect(receiptFingerprint(...one) === receiptFingerprint(...other)).toBe(
        identity(one) === identity(other),
      )
    }),
  )
})
