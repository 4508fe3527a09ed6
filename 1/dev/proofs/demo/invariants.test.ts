import { describe, expect, it } from 'vitest'
import type { Evidence } from './evidence.ts'
import { judge, type Expectation } from './invariants.ts'
import type { PlannedMessage } from './plan.ts'

const message: PlannedMessage = {
  token: '#t#',
  tenant: 0,
  idempotencyKey: 'k',
  to: '+447700900123',
  from: 'GHASI',
  body: '#t# hello',
  messageType: 'SMS',
  segments: 1,
  expected: 'DELIVERED',
  repeated: false,
}
const messageId = '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7'
const expectations: readonly Expectation[] = [{ message, messageId }]
const event = (eventId: string) => ({ eventId, messageId })
const stored = (eventId: string) => ({ ...event(eventId), storedMs: 0 })

const good: Evidence = {
  rows: [{ messageId, status: 'DELIVERED', statusSeq: 2, dlrStatus: 'DELIVERED', segmentCount: 1 }],
  outboxRows: 0,
  orphanRows: 0,
  segmentRows: [{ messageId, segmentIndex: 1, status: 'DELIVERED' }],
  aggregated: [{ ...event('a'), status: 'DELIVERED' }],
  billing: [{ ...event('b'), dlrStatus: 'DELIVERED', segmentCount: 1, deliveredSegments: 1 }],
  webhooks: [{ ...event('w'), dlrStatus: 'DELIVERED', lastReceiptMs: 0 }],
  statuses: [1, 2].map((seq) => ({ ...event(`s${seq}`), seq, newStatus: 'SENT' })),
  nats: {
    commands: [stored('c')],
    billing: [stored('b')],
    webhooks: [stored('w')],
    statuses: [stored('s1'), stored('s2')],
  },
  submits: [
    { destination: message.to, text: message.body, index: 1, total: 1, duplicate: false, accepted: true },
  ],
  texts: [message.body],
  inDoubt: 0,
  leaks: [],
}
const [row] = good.rows
const [billing] = good.billing
const [submit] = good.submits
if (row === undefined || billing === undefined || submit === undefined)
  throw new Error('the good evidence is incomplete')

describe('the checker of a run', () => {
  it('finds nothing wrong with good evidence', () => {
    const verdict = { violations: [], lost: 0, duplicatesAtOperator: 0, duplicatesInDoubt: 0 }
    expect(judge(expectations, good)).toEqual(verdict)
  })

  const planted: readonly (readonly [string, Partial<Evidence>])[] = [
    ['a lost message', { rows: [] }],
    ['a wrong end', { rows: [{ ...row, dlrStatus: 'FAILED' }] }],
    ['a row nobody submitted', { rows: [row, { ...row, messageId: 'x' }] }],
    ['no outcome', { aggregated: [] }],
    ['a second bill', { billing: [billing, { ...billing, eventId: 'b2' }] }],
    ['a wrong bill', { billing: [{ ...billing, deliveredSegments: 0 }] }],
    ['a missing webhook', { webhooks: [] }],
    ['a gap in the transitions', { statuses: good.statuses.slice(1) }],
    ['a segment row missing', { segmentRows: [] }],
    ['an event that NATS lacks', { nats: { ...good.nats, billing: [] } }],
    ['an event that NATS has twice', { nats: { ...good.nats, billing: [stored('b'), stored('b')] } }],
    ['an outbox that was not emptied', { outboxRows: 1 }],
    ['another text', { texts: ['#t# hallo'] }],
    ['a segment sent twice', { submits: [submit, { ...submit, duplicate: true }] }],
    ['a phone number in a log', { leaks: ['api.log'] }],
  ]

  it.each(planted)('notices %s', (_, fault) => {
    expect(judge(expectations, { ...good, ...fault }).violations.length).toBeGreaterThan(0)
  })

  it('excuses a second submit only where the gateway counted a doubt', () => {
    const twice = { ...good, submits: [submit, { ...submit, duplicate: true }] }
    expect(judge(expectations, { ...twice, inDoubt: 1 })).toMatchObject({
      violations: [],
      duplicatesInDoubt: 1,
    })
    expect(judge(expectations, twice)).toMatchObject({ duplicatesAtOperator: 1, duplicatesInDoubt: 0 })
  })
})
