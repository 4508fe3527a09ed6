import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Row } from '../../dsl/execute.ts'
import { RecentRows, RowBudget } from './recent-rows.ts'

const row = (state: number): Row => ({ state, timers: {}, replayed: false })

describe('rows used lately', () => {
  it('answer what was last set, or do not know the key', () => {
    const sets = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.option(fc.nat())), { maxLength: 200 })
    fc.assert(
      fc.property(sets, fc.integer({ min: 0, max: 30 }), (list, max) => {
        const recent = new RecentRows(() => max)
        const last = new Map<string, Row | null>()
        for (const [key, state] of list) {
          const value = state === null ? null : row(state)
          recent.set(String(key), value)
          last.set(String(key), value)
          for (const [known, expected] of last) expect([undefined, expected]).toContain(recent.get(known))
        }
      }),
    )
  })

  it('keep what is used and forget what is not', () => {
    const recent = new RecentRows(() => 10)
    recent.set('used', row(1))
    recent.set('unused', row(2))
    for (let i = 0; i < 100; i += 1) {
      recent.set(`other-${i}`, null)
      expect(recent.get('used')).toEqual(row(1))
    }
    expect(recent.get('unused')).toBeUndefined()
  })

  it('are never more than the bound', () => {
    const recent = new RecentRows(() => 10)
    for (let i = 0; i < 1000; i += 1) recent.set(`key-${i}`, row(i))
    const known = Array.from({ length: 1000 }, (_, i) => recent.get(`key-${i}`)).filter(
      (one) => one !== undefined,
    )
    expect(known.length).toBeLessThanOrEqual(10)
  })
})

describe('the rows that a process may keep', () => {
  it('fault R14: are shared by its tasks, and go to the others when one closes', () => {
    const budget = new RowBudget(120)
    const leave = Array.from({ length: 48 }, () => budget.enter())
    expect(budget.eachMax).toBe(2)
    for (const one of leave.slice(4)) one()
    leave.at(-1)?.()
    expect(budget.eachMax).toBe(30)
  })
})
