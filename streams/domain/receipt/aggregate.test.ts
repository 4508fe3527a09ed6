import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { evaluateSegments, isTerminal } from './aggregate.ts'
import { SEGMENT_STATUSES, type SegmentStatus } from '../statuses.ts'

const LETTERS: Readonly<Record<string, SegmentStatus>> = {
  D: 'DELIVERED',
  U: 'UNDELIVERED',
  F: 'FAILED',
  R: 'REJECTED',
  X: 'EXPIRED',
  '?': 'UNKNOWN',
  '-': 'PENDING',
  S: 'SUBMITTED',
}
const segmentsOf = (letters: string): SegmentStatus[] =>
  letters.split(' ').flatMap((letter) => LETTERS[letter] ?? [])

const anyStatus = fc.constantFrom(...SEGMENT_STATUSES)
const terminalStatus = fc.constantFrom(...SEGMENT_STATUSES.filter(isTerminal))

describe('DLR-018.2 the rules of [D27]', () => {
  test.each([
    ['D D D', 'DELIVERED', 'b'],
    ['D F -', 'PENDING', 'a'],
    ['D F D', 'FAILED', 'c'],
    ['U U', 'UNDELIVERED', 'd'],
    ['D U', 'PARTIAL', 'e'],
    ['R X', 'PARTIAL', 'e'],
    ['R R', 'REJECTED', 'd'],
    ['X X X', 'EXPIRED', 'd'],
    ['F F', 'FAILED', 'c'],
    ['U F R X', 'FAILED', 'c'],
    ['?', 'PENDING', 'a'],
    ['D ?', 'PENDING', 'a'],
    ['- -', 'PENDING', 'a'],
    ['D S', 'PENDING', 'a'],
    ['F ?', 'PENDING', 'a'],
    ['D', 'DELIVERED', 'b, a single segment takes the same path [D28]'],
    ['U', 'UNDELIVERED', 'd'],
  ])('%s: %s (row %s)', (letters, outcome) => {
    expect(evaluateSegments(segmentsOf(letters))).toBe(outcome)
  })

  test('no segments say nothing yet', () => {
    expect(evaluateSegments([])).toBe('PENDING')
  })

  test('only the five decided statuses are terminal', () => {
    expect(SEGMENT_STATUSES.filter((status) => !isTerminal(status))).toEqual([
      'PENDING',
      'SUBMITTED',
      'UNKNOWN',
    ])
  })

  test('the order of the segments does not matter', () => {
    const orders = fc
      .array(anyStatus, { maxLength: 8 })
      .chain((statuses) =>
        fc.tuple(
          fc.constant(statuses),
          fc.shuffledSubarray(statuses, { minLength: statuses.length, maxLength: statuses.length }),
        ),
      )
    fc.assert(
      fc.property(orders, ([statuses, shuffled]) => {
        expect(evaluateSegments(shuffled)).toBe(evaluateSegments(statuses))
      }),
    )
  })

  test('one open segment keeps the message open, and terminal ones always close it', () => {
    const open = fc.constantFrom<SegmentStatus>('PENDING', 'SUBMITTED', 'UNKNOWN')
    fc.assert(
      fc.property(fc.array(anyStatus), open, fc.array(anyStatus), (before, status, after) => {
        expect(evaluateSegments([...before, status, ...after])).toBe('PENDING')
      }),
    )
    fc.assert(
      fc.property(fc.array(terminalStatus, { minLength: 1 }), (statuses) => {
        expect(evaluateSegments(statuses)).not.toBe('PENDING')
      }),
    )
  })
})

test('a closed message is DELIVERED only if every segment is', () => {
  fc.assert(
    fc.property(fc.array(terminalStatus, { minLength: 1, maxLength: 4 }), (statuses) => {
      const allDelivered = statuses.every((status) => status === 'DELIVERED')
      expect(evaluateSegments(statuses) === 'DELIVERED').toBe(allDelivered)
    }),
  )
})
