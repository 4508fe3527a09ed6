import { describe, expect, it } from 'vitest'
import type { CanonicalIdRule } from '../../streams/domain/receipt/canonical-id.ts'
import { createRecentSubmits } from './recent-submits.ts'

const OPERATOR = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const submit = { messageId: 'm', segmentIndex: 1, totalSegments: 1 }

/** What is learnt from `count` submits and their receipts, under the rules that are set. */
function learnt(
  rules: readonly CanonicalIdRule[],
  count: number,
  receiptIdOf: (number: number) => string,
  submitIdOf = (number: number): string => (0x812fc74700 + number).toString(16),
): readonly (readonly CanonicalIdRule[])[] {
  const told: (readonly CanonicalIdRule[])[] = []
  const recent = createRecentSubmits(1_000, {
    rulesOf: () => rules,
    onLearnt: (_, found) => told.push(found),
  })
  for (let number = 1; number <= count; number += 1) {
    recent.note(OPERATOR, submitIdOf(number), submit)
    recent.find(OPERATOR, receiptIdOf(number))
  }
  return told
}

const decimal = (number: number): string => `000${0x812fc74700 + number}`
const upper = (number: number): string => (0x812fc74700 + number).toString(16).toUpperCase()
const foreignFirst = (count: number) => (number: number) =>
  number <= count ? `foreign-${number}` : decimal(number)

describe('[R14] the id rules that an operator needs', () => {
  it('are named once, when ten receipts meet their submits under them and none under those that are set', () => {
    expect(learnt(['exact'], 9, decimal)).toEqual([])
    expect(learnt(['exact'], 200, decimal)).toEqual([['hex2dec']])
    expect(learnt(['exact'], 200, upper)).toEqual([['lower']])
    expect(learnt([], 200, (number) => `00${number}`, String)).toEqual([['zeros']])
  })

  it('are not named where the rules that are set bring receipts home', () => {
    expect(learnt(['hex2dec'], 200, decimal)).toEqual([])
    expect(learnt(['lower'], 200, upper)).toEqual([])
    expect(
      learnt(['exact'], 200, (number) => (number === 5 ? upper(0).toLowerCase() : decimal(number))),
    ).toEqual([['hex2dec']])
  })

  it('are not named for receipts that belong to nobody here', () => {
    expect(learnt(['exact'], 500, (number) => `foreign-${number}`)).toEqual([])
  })

  it('are not looked for for ever: what 2,500 receipts have not shown, others will not', () => {
    expect(learnt(['exact'], 2_400, foreignFirst(2_300))).toEqual([['hex2dec']])
    expect(learnt(['exact'], 2_600, foreignFirst(2_500))).toEqual([])
  })
})

describe('fault G20: an operator with hexadecimal ids', () => {
  it('is found under the rules of its profile, by any id of the receipt', () => {
    const recent = createRecentSubmits(10, { rulesOf: () => ['hex2dec'], onLearnt: () => {} })
    recent.note(OPERATOR, '6aad5', submit)
    expect(recent.find(OPERATOR, '0000436949')).toEqual(submit)
    expect(recent.find(OPERATOR, 'other', '436949')).toEqual(submit)
    expect(recent.find(OPERATOR, '436950')).toBeUndefined()
  })
})
