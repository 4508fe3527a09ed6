import { expect, test } from 'vitest'
import {
  CANONICAL_STATUSES,
  MESSAGE_STATUSES,
  OUTCOMES,
  SEGMENT_STATUSES,
  TERMINAL_SEGMENT_STATUSES,
} from './statuses.ts'

test('DAT-1 the message statuses are those of [SC4], all thirteen', () => {
  expect(MESSAGE_STATUSES.join(', ')).toBe(
    'SCHEDULED, CANCELLED, QUEUED, ROUTING, ROUTED, SENT, DELIVERED, UNDELIVERED, EXPIRED, REJECTED, FAILED, PARTIAL, DEAD_LETTER',
  )
})

test('an outcome is a terminal canonical status or PARTIAL, and every outcome is a message status', () => {
  expect([...TERMINAL_SEGMENT_STATUSES, 'PARTIAL']).toEqual(OUTCOMES)
  expect([...TERMINAL_SEGMENT_STATUSES, 'UNKNOWN']).toEqual(CANONICAL_STATUSES)
  expect(OUTCOMES.filter((outcome) => !MESSAGE_STATUSES.includes(outcome))).toEqual([])
})

test('a segment can stand at PENDING, SUBMITTED or any canonical status', () => {
  expect(SEGMENT_STATUSES).toEqual(['PENDING', 'SUBMITTED', ...CANONICAL_STATUSES])
})
