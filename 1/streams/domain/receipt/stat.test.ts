import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { normaliseStat } from './stat.ts'
import { CANONICAL_STATUSES } from '../statuses.ts'

const MAPPINGS = [
  ['DELIVRD', 'DELIVERED'],
  ['UNDELIV', 'UNDELIVERED'],
  ['EXPIRED', 'EXPIRED'],
  ['DELETED', 'FAILED'],
  ['ACCEPTD', 'UNKNOWN'],
  ['REJECTD', 'REJECTED'],
  ['UNKNOWN', 'UNKNOWN'],
  ['FAILED', 'FAILED'],
] as const

test.each(MAPPINGS)('DLR-E1.2 DLR-002.1 %s is %s', (stat, status) => {
  expect(normaliseStat(stat)).toBe(status)
})

test.each([
  ['DELIVERED', 'DELIVERED'],
  ['UNDELIVERED', 'UNDELIVERED'],
  ['UNDELIVERABLE', 'UNDELIVERED'],
  ['UNDELIVRD', 'UNDELIVERED'],
  ['REJECTED', 'REJECTED'],
  ['DND_REJECTED', 'REJECTED'],
  ['ACCEPTED', 'UNKNOWN'],
])('fault G18: [N3] the whole word %s is %s', (stat, status) => {
  expect(normaliseStat(stat)).toBe(status)
  expect(normaliseStat(` ${stat.toLowerCase()}\n`)).toBe(status)
})

test.each(['ENROUTE', 'BUFFRED', 'ACKED', 'SKIPPED', 'DELIVER', '', '2', '__proto__'])(
  'DLR-002.2 DLR-002.4 any other value, such as "%s", is UNKNOWN',
  (stat) => {
    expect(normaliseStat(stat)).toBe('UNKNOWN')
  },
)

test.each(MAPPINGS)('DLR-002.3 neither case nor blanks around %s matter', (stat, status) => {
  const blanks = fc.constantFrom('', ' ', '\t', '\r\n', '   ')
  fc.assert(
    fc.property(
      blanks,
      blanks,
      fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
      (before, after, upper) => {
        const mixed = Array.from(stat, (letter, index) =>
          upper[index] === true ? letter : letter.toLowerCase(),
        )
        expect(normaliseStat(before + mixed.join('') + after)).toBe(status)
      },
    ),
  )
})

test('DLR-002.2 every text has a canonical status', () => {
  fc.assert(
    fc.property(fc.string(), (raw) => {
      expect(CANONICAL_STATUSES).toContain(normaliseStat(raw))
    }),
  )
})
