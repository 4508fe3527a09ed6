import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { monthsBefore } from './purges.ts'

const before = (at: string, months: number) => monthsBefore(new Date(at), months).toISOString()

const monthOf = (date: Date) => date.getUTCFullYear() * 12 + date.getUTCMonth()

it.each([
  ['2027-03-31T02:00:00.000Z', 13, '2026-02-28T02:00:00.000Z'],
  ['2025-03-31T02:00:00.000Z', 13, '2024-02-29T02:00:00.000Z'],
  ['2026-12-31T02:00:00.000Z', 13, '2025-11-30T02:00:00.000Z'],
  ['2026-11-28T02:00:00.000Z', 13, '2025-10-28T02:00:00.000Z'],
])('[DB65] before %s the months of retention (%i) began at %s', (at, months, began) => {
  expect(before(at, months)).toBe(began)
})

it('[DB65] nothing is older than its months: the day is kept or is the last of the month', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }),
      fc.integer({ min: 0, max: 40 }),
      (at, months) => {
        const began = monthsBefore(at, months)
        expect(monthOf(at) - monthOf(began)).toBe(months)
        expect(began.getTime() % 86_400_000).toBe(at.getTime() % 86_400_000)
        const isLast = new Date(began.getTime() + 86_400_000).getUTCDate() === 1
        expect(began.getUTCDate() === at.getUTCDate() || isLast).toBe(true)
      },
    ),
  )
})
