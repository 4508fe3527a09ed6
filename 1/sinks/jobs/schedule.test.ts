import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { dailyAt, everyQuarter, hourly, isDue, lastDueMs } from './schedule.ts'

const at = (text: string) => Date.parse(`2026-04-18T${text}Z`)

it.each([
  [dailyAt(0, 10), '00:09:59', '2026-04-17T00:10:00.000Z'],
  [dailyAt(0, 10), '00:10:00', '2026-04-18T00:10:00.000Z'],
  [dailyAt(2, 30), '23:00:00', '2026-04-18T02:30:00.000Z'],
  [hourly, '10:59:59', '2026-04-18T10:00:00.000Z'],
  [everyQuarter, '10:44:59', '2026-04-18T10:30:00.000Z'],
])('%j at %s was last due at %s', (schedule, now, due) => {
  expect(new Date(lastDueMs(schedule, at(now))).toISOString()).toBe(due)
})

it('a job is due once, also when it was missed for days or has never run', () => {
  expect(isDue(hourly, undefined, at('10:00:00'))).toBe(true)
  fc.assert(
    fc.property(
      fc.constantFrom(dailyAt(2, 0), hourly, everyQuarter),
      fc.nat(1e9),
      fc.nat(1e9),
      (schedule, before, after) => {
        const succeeded = at('10:00:00') + before
        const isNewPeriod = lastDueMs(schedule, succeeded + after) > succeeded
        expect(isDue(schedule, succeeded, succeeded + after)).toBe(isNewPeriod)
        expect(isDue(schedule, succeeded, succeeded)).toBe(false)
      },
    ),
  )
})

it('a job that succeeded in the future is due: a clock was put right, or it would wait for that day', () => {
  expect(isDue(dailyAt(2, 0), at('10:00:00') + 86_400_000, at('10:00:00'))).toBe(true)
  expect(isDue(hourly, at('10:59:59'), at('10:00:00'))).toBe(true)
  // The clocks of two processes are never quite the same.
  expect(isDue(hourly, at('10:04:59'), at('10:00:00'))).toBe(false)
})
