import { describe, expect, it } from 'vitest'
import type { Accepted } from '../demo/traffic.ts'
import { plainMessages } from './pipeline-messages.ts'
import { latenciesOf, operatorTimesIn } from './pipeline-latency.ts'

const line = (at: string, kind: string, destination: string): string =>
  JSON.stringify({ seq: 1, at: `2026-11-28T10:00:${at}Z`, kind, destination })
const ms = (at: string): number => Date.parse(`2026-11-28T10:00:${at}Z`)

const [first, second] = plainMessages(0, 2)
if (first === undefined || second === undefined) throw new Error('no messages')
const accepted: readonly Accepted[] = [
  { message: first, messageId: 'm1', enqueuedAt: '', acceptedMs: ms('01.000') },
  { message: second, messageId: 'm2', enqueuedAt: '', acceptedMs: ms('02.000') },
]

describe('the latencies of a run', () => {
  it('are from the 202 to the first submit_sm, and from the receipt to the outcome, of each message', () => {
    const operator = operatorTimesIn([
      line('01.100', 'submit', first.to.slice(1)),
      line('01.900', 'submit', first.to.slice(1)),
      line('02.000', 'receipt', first.to.slice(1)),
      line('02.300', 'submit', second.to.slice(1)),
      line('02.400', 'receipt', second.to.slice(1)),
      line('02.500', 'bind', ''),
    ])
    const outcomeMs = new Map([
      ['m1', ms('02.050')],
      ['m2', ms('02.900')],
    ])
    expect(latenciesOf(accepted, operator, outcomeMs)).toEqual({
      acceptToSubmit: [100, 300],
      receiptToOutcome: [50, 500],
      lastOutcomeMs: ms('02.900'),
    })
  })
})

describe('the messages of a run', () => {
  it('go to one destination each, for which the operator does nothing special', () => {
    const messages = [...plainMessages(0, 2000), ...plainMessages(2000, 2000)]
    expect(new Set(messages.map(({ to }) => to)).size).toBe(4000)
    expect(new Set(messages.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(4000)
    expect(messages.filter(({ to }) => Number(to.slice(-3)) >= 900 || to.length !== 13)).toEqual([])
  })
})
