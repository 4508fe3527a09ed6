import { expect, test } from 'vitest'
import { isStale } from './quarantine.ts'

const receivedAtMs = Date.parse('2026-04-20T12:00:00.000Z')
const FIVE_MINUTES_MS = 300_000
const DAY_MS = 86_400_000

const staleness = (deliveredAgoMs: number, terminalAgoMs: number): boolean =>
  isStale({
    receivedAtMs,
    deliveredAtMs: receivedAtMs - deliveredAgoMs,
    terminalAtMs: receivedAtMs - terminalAgoMs,
  })

test.each([
  ['both limits passed by one millisecond', FIVE_MINUTES_MS + 1, DAY_MS + 1, true],
  ['exactly five minutes in a buffer', FIVE_MINUTES_MS, DAY_MS + 1, false],
  ['closed for exactly 24 hours', FIVE_MINUTES_MS + 1, DAY_MS, false],
  ['both limits met and not passed', FIVE_MINUTES_MS, DAY_MS, false],
  ['buffered long, closed just now', DAY_MS, 0, false],
  ['closed long ago, delivered just now', 0, 30 * DAY_MS, false],
  ['a done date in the future', -FIVE_MINUTES_MS - 1, 30 * DAY_MS, false],
  ['a receipt from before the closing', DAY_MS, -DAY_MS, false],
])('DLR-016.1 %s', (_case, deliveredAgoMs, terminalAgoMs, expected) => {
  expect(staleness(deliveredAgoMs, terminalAgoMs)).toBe(expected)
})

test('DLR-016.1 without a done date a receipt is never stale', () => {
  expect(isStale({ receivedAtMs, deliveredAtMs: null, terminalAtMs: 0 })).toBe(false)
})
