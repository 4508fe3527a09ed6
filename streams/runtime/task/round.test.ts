import { describe, expect, it } from 'vitest'
import { encode } from '../../contracts/decode.ts'
import type { LogRecord } from '../../log/port.ts'
import { counting } from '../testing/counting.suite.ts'
import { planRound } from './round.ts'
import type { StoredTimer } from '../store/store.ts'

const given = counting('round')
const event = {
  schemaVersion: '1.0',
  eventId: '71e6b2de-c54b-5149-bc4d-1925e4067659',
  occurredAt: '2026-04-18T10:23:40.000Z',
}
const record = (offset: number, timestamp: number): LogRecord => ({
  topic: given.words,
  partition: 0,
  offset,
  timestamp,
  key: null,
  value: Buffer.from(encode({ ...event, word: `w${offset}`, n: 0 })),
  headers: {},
})
const timer = (dueMs: number): StoredTimer => ({ dueMs, store: 'counts', timer: 'quiet', key: `t${dueMs}` })

describe('the plan of a round', () => {
  it('lets a timer fire before a record that is younger than it, and after one that is not', () => {
    const records = [record(0, 10), record(1, 20), record(2, 15)]
    const plan = planRound(given.topology, records, [timer(5), timer(10), timer(12), timer(99)], new Map())
    expect(plan.steps.map((step) => step.cause.key)).toEqual(['t5', 'w0', 't10', 't12', 'w1', 'w2', 't99'])
  })

  it('marks only what lies below the mark of its topic as replayed', () => {
    const plan = planRound(given.topology, [record(6, 1), record(7, 2)], [], new Map([[given.words, 7]]))
    expect(plan.steps.map((step) => step.cause.replayed)).toEqual([true, false])
  })
})
