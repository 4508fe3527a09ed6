import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignUnits } from './assignment.ts'

type Held = ReadonlyMap<string, readonly number[]>

/** Members come and go; after each change everything is assigned anew. */
function replay(
  units: number,
  changes: readonly (readonly [boolean, number])[],
): { before: Held; after: Held } {
  let before: Held = new Map()
  let after: Held = new Map()
  for (const [joins, who] of changes) {
    const held = new Map(after)
    const name = `m${who}`
    if (!joins) held.delete(name)
    else if (!held.has(name)) held.set(name, [])
    before = held
    after = assignUnits(units, held)
  }
  return { before, after }
}

const HISTORIES = fc.tuple(
  fc.nat(12),
  fc.array(fc.tuple(fc.boolean(), fc.nat(4)), { minLength: 1, maxLength: 12 }),
)

describe('assignUnits', () => {
  it('gives every partition number to exactly one member, in shares that differ by one at most', () => {
    fc.assert(
      fc.property(HISTORIES, ([units, changes]) => {
        const { after } = replay(units, changes)
        if (after.size === 0) return
        const all = [...after.values()].flat().sort((a, b) => a - b)
        expect(all).toEqual(Array.from({ length: units }, (_, unit) => unit))
        const sizes = [...after.values()].map((own) => own.length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('takes nothing away from a member that is not over its share', () => {
    fc.assert(
      fc.property(HISTORIES, ([units, changes]) => {
        const { before, after } = replay(units, changes)
        const share = Math.ceil(units / Math.max(1, after.size))
        for (const [member, own] of before) {
          const kept = own.filter((unit) => after.get(member)?.includes(unit))
          const lostToShare = Math.max(0, own.length - share)
          const lostToOdd = own.length >= share ? 1 : 0
          expect(own.length - kept.length).toBeLessThanOrEqual(lostToShare + lostToOdd)
        }
      }),
    )
  })

  it('moves one number only when a third member joins two that hold two and one', () => {
    const held = new Map([
      ['a', [0, 2]],
      ['b', [1]],
      ['c', []],
    ])
    expect(assignUnits(3, held)).toEqual(
      new Map([
        ['a', [0]],
        ['b', [1]],
        ['c', [2]],
      ]),
    )
  })
})
