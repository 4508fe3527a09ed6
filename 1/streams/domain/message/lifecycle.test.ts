import { describe, expect, test } from 'vitest'
import { canMove, FINAL_STATUSES, isFinal, TRANSITIONS } from './lifecycle.ts'
import { MESSAGE_STATUSES, type MessageStatus } from '../statuses.ts'

/** Typed from [T1] to [T15], apart from the code under test. */
const LEGAL = new Set([
  'none>QUEUED',
  'QUEUED>FAILED',
  'QUEUED>ROUTING',
  'ROUTING>ROUTED',
  'ROUTING>FAILED',
  'ROUTING>ROUTING',
  'ROUTING>DEAD_LETTER',
  'ROUTED>SENT',
  'ROUTED>DEAD_LETTER',
  'SENT>DEAD_LETTER',
  'SENT>DELIVERED',
  'SENT>UNDELIVERED',
  'SENT>EXPIRED',
  'SENT>REJECTED',
  'SENT>FAILED',
  'SENT>PARTIAL',
  'DEAD_LETTER>ROUTING',
  'none>SCHEDULED',
  'SCHEDULED>QUEUED',
  'SCHEDULED>CANCELLED',
])
const STARTS: readonly (MessageStatus | null)[] = [null, ...MESSAGE_STATUSES]
const pairs = STARTS.flatMap((from) => MESSAGE_STATUSES.map((to) => [from, to] as const))

describe('ORC-4.10 the transition table', () => {
  test.each(pairs)('%s to %s is decided as in [T1] to [T15]', (from, to) => {
    expect(canMove(from, to)).toBe(LEGAL.has(`${from ?? 'none'}>${to}`))
  })

  test('has the rows [T1] to [T15] in order', () => {
    expect([...new Set(TRANSITIONS.map((transition) => transition.id))]).toEqual(
      Array.from({ length: 15 }, (_, index) => `T${index + 1}`),
    )
  })

  test('reaches every status from nothing', () => {
    const reached = new Set<MessageStatus>()
    const visit = (from: MessageStatus | null): void => {
      for (const to of MESSAGE_STATUSES.filter((status) => canMove(from, status) && !reached.has(status))) {
        reached.add(to)
        visit(to)
      }
    }
    visit(null)
    expect([...reached].sort()).toEqual([...MESSAGE_STATUSES].sort())
  })

  test('ORC-4.2 ORC-4.5 ORC-5.1 gives a dead letter to every end before SENT and to a refused command, and to no other move', () => {
    const reasons = TRANSITIONS.flatMap((row) => ('deadLetter' in row ? [[row.id, row.deadLetter]] : []))
    expect(reasons).toEqual([
      ['T2', 'validation'],
      ['T5', 'no_route'],
      ['T6', 'validation'],
      ['T8', 'max_attempts'],
      ['T10', 'publish_fail'],
      ['T10', 'publish_fail'],
    ])
  })
})

describe('DLR-004.3 a final status never changes', () => {
  test.each(FINAL_STATUSES)('%s is final and has no way out', (status) => {
    expect(isFinal(status)).toBe(true)
    expect(MESSAGE_STATUSES.filter((to) => canMove(status, to))).toEqual([])
  })

  test('every other status has a way out, DEAD_LETTER only by an operator replay', () => {
    const open = MESSAGE_STATUSES.filter((status) => !isFinal(status))
    expect(open).toEqual(['SCHEDULED', 'QUEUED', 'ROUTING', 'ROUTED', 'SENT', 'DEAD_LETTER'])
    expect(open.filter((status) => !MESSAGE_STATUSES.some((to) => canMove(status, to)))).toEqual([])
    expect(TRANSITIONS.filter((row) => row.from === 'DEAD_LETTER').map((row) => row.id)).toEqual(['T12'])
  })
})
