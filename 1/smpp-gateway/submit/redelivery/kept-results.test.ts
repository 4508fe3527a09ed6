import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeptResults, type StoredResult } from './kept-results.ts'

const result = {
  outcome: 'ACCEPTED' as const,
  operatorId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  submittedAt: '2026-11-28T10:00:00.000Z',
}

/** A stream in which each message has one result, several of them in one millisecond. */
const streamOf = (times: readonly number[]): readonly StoredResult[] =>
  times
    .toSorted((a, b) => a - b)
    .map((at, sequence) => ({ sequence, at, told: { messageId: String(sequence), index: 1, result } }))

it('[S4] what lies after `from` is known, and no more is kept than there is room for', () => {
  const times = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 })
  const looks = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(times, looks, fc.integer({ min: 1, max: 20 }), (stored, questions, max) => {
      const stream = streamOf(stored)
      const kept = new KeptResults(max)
      const knows = ({ sequence }: StoredResult): boolean => kept.of(String(sequence)).size > 0
      for (const since of questions) {
        const start = kept.startFor(since)
        const isNew = (message: StoredResult): boolean =>
          'since' in start ? message.at >= start.since : message.sequence >= start.sequence
        for (const message of stream) if (isNew(message)) kept.add(message)
        if (since < kept.from) {
          const older = kept.older(since)
          for (const message of stream) if (message.at >= since && message.at < kept.from) older.add(message)
          older.keep()
        }
        expect(stream.filter((message) => message.at >= kept.from && !knows(message))).toEqual([])
        expect(stream.filter(knows).length).toBeLessThanOrEqual(max * 1.1 + 1)
      }
    }),
  )
})
