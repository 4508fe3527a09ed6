import { expect, test } from 'vitest'
import { RETRIES_MAX, RETRY_DELAYS_MS, retryDelayMs } from './retry.ts'

test('ORC-5.1 three retries wait 1, 2 and 4 seconds', () => {
  expect([1, 2, 3].map(retryDelayMs)).toEqual([1000, 2000, 4000])
  expect(RETRY_DELAYS_MS).toHaveLength(RETRIES_MAX)
})

test.each([0, 4, -1, 1.5, Number.NaN])('ORC-5.1 attempt %d is a programmer error', (attempt) => {
  expect(() => retryDelayMs(attempt)).toThrow(RangeError)
})
