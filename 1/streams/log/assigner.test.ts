import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, type Applicant } from './assigner.ts'
import { COUNTS, newcomer, numbersOf, TOPICS } from './testing/assigner.suite.ts'

/** The same members a generation later. */
function rejoined(assigned: ReturnType<typeof assign>, generation: number): Applicant[] {
  return [...numbersOf(assigned)].map(([memberId, numbers]) => ({
    ...newcomer(memberId),
    generation,
    numbers,
  }))
}

const memberIds = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 9 })

describe('assign', () => {
  it('gives every partition to one member, and partition p of all topics to the same', () => {
    fc.assert(
      fc.property(memberIds, (ids) => {
        const assigned = assign(ids.map(newcomer), COUNTS)
        const all = [...assigned.values()]
          .flatMap(({ held }) => held)
          .map(({ topic, partition }) => `${topic}:${partition}`)
        expect(new Set(all).size).toBe(28)
        expect(all).toHaveLength(28)
        for (const [member, numbers] of numbersOf(assigned)) {
          const held = assigned.get(member)?.held.map(({ topic, partition }) => `${topic}:${partition}`)
          for (const number of numbers) {
            expect(held).toContain(`orders:${number}`)
            expect(held).toContain(`receipts:${number}`)
            expect(held?.includes(`lookups:${number}`)).toBe(number < 4)
          }
        }
      }),
    )
  })

  it('balances, whatever members claim', () => {
    const applicant = fc.record({
      topics: fc.constant(TOPICS),
      replicas: fc.constant(0),
      progress: fc
        .array(fc.tuple(fc.nat({ max: 12 }), fc.nat({ max: 200_000 })))
        .map((entries) => new Map(entries)),
      generation: fc.integer({ min: -1, max: 5 }),
      numbers: fc.uniqueArray(fc.nat({ max: 20 })),
    })
    fc.assert(
      fc.property(fc.array(applicant, { minLength: 1, maxLength: 8 }), (applicants) => {
        const named = applicants.map((one, i) => ({ ...one, memberId: `m${i}` }))
        const sizes = [...numbersOf(assign(named, COUNTS)).values()].map((numbers) => numbers.length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        expect(sizes.reduce((sum, size) => sum + size)).toBe(12)
      }),
    )
  })

  it('moves nothing when nobody comes or goes, in whatever order they apply', () => {
    fc.assert(
      fc.property(memberIds, fc.func(fc.integer()), (ids, rank) => {
        const first = assign(ids.map(newcomer), COUNTS)
        const again = rejoined(first, 1).sort((a, b) => rank(a.memberId) - rank(b.memberId))
        expect(new Map(numbersOf(assign(again, COUNTS)))).toEqual(numbersOf(first))
      }),
    )
  })

  it('takes from members only what a newcomer is due', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), (members) => {
        const before = assign(
          Array.from({ length: members }, (_, i) => newcomer(`m${i}`)),
          COUNTS,
        )
        const after = numbersOf(assign([...rejoined(before, 1), newcomer('new')], COUNTS))
        const taken = after.get('new') ?? []
        expect(taken).toHaveLength(Math.floor(12 / (members + 1)))
        for (const [member, numbers] of numbersOf(before)) {
          const kept = numbers.filter((number) => !taken.includes(number))
          expect(after.get(member)).toEqual(kept)
        }
      }),
    )
  })

  it('leaves those who stay what they hold when one goes', () => {
    const before = rejoined(assign(['a', 'b', 'c'].map(newcomer), COUNTS), 1)
    const after = numbersOf(assign(before.slice(1), COUNTS))
    for (const { memberId, numbers } of before.slice(1)) {
      expect(after.get(memberId)).toEqual(expect.arrayContaining([...numbers]))
    }
  })

  it('believes the later of two claims', () => {
    const stale = { ...newcomer('a'), generation: 3, numbers: [0, 1, 2, 3, 4, 5] }
    const fresh = { ...newcomer('b'), generation: 4, numbers: [0, 1, 2, 3, 4, 5] }
    expect(numbersOf(assign([stale, fresh], COUNTS)).get('b')).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('gives everything to members that read all topics while others do not yet', () => {
    const old = { ...newcomer('old'), topics: ['orders'], generation: 1, numbers: [0, 1, 2] }
    const assigned = numbersOf(assign([old, newcomer('new')], COUNTS))
    expect(assigned.get('old')).toEqual([])
    expect(assigned.get('new')).toHaveLength(12)
  })

  it('passes over topics that do not exist', () => {
    expect(assign([newcomer('a')], new Map([['orders', 1]])).get('a')?.held).toEqual([
      { topic: 'orders', partition: 0 },
    ])
    expect(assign([newcomer('a')], new Map()).get('a')).toEqual({ held: [], standbys: [] })
  })
})
