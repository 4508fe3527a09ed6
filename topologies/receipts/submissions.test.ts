import { describe, expect, it } from 'vitest'
import { lookupExample, sentExample } from '../../streams/contracts/examples.ts'
import type { ReceiptLookup, SentSegment } from '../../streams/contracts/receipts.ts'
import { sentEventId } from '../../streams/domain/event-id.ts'
import { matchOf, Submitted, withSubmission } from './submissions.ts'

const START = Date.parse('2026-04-18T10:00:00.000Z')
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const iso = (ms: number): string => new Date(ms).toISOString()

/** A submission of so many minutes after the first one. */
const sent = (minute: number, to = '+447700900001', changes: Partial<SentSegment> = {}): SentSegment => ({
  ...sentExample,
  eventId: sentEventId(`${minute}`),
  to,
  submittedAt: iso(START + minute * MINUTE_MS),
  expiresAt: iso(START + minute * MINUTE_MS + 168 * HOUR_MS),
  ...changes,
})

const kept = (...sents: readonly SentSegment[]): readonly Submitted[] =>
  sents.reduce<readonly Submitted[]>((all, one) => withSubmission(all, one, iso(START)), [])

function lookup(minute: number, addresses: { destAddr?: string; sourceAddr?: string } = {}): ReceiptLookup {
  const { destAddr: _, ...receipt } = lookupExample.receipt
  return {
    ...lookupExample,
    receipt: { ...receipt, receivedAt: iso(START + minute * MINUTE_MS), ...addresses },
  }
}

/** The minute of the submission that the receipt is taken for, or what else becomes of it. */
function joined(sents: readonly Submitted[], given: ReceiptLookup): number | string {
  const match = matchOf(sents, given)
  if (match.kind !== 'found') return match.kind
  return (Date.parse(match.sent.submittedAt) - START) / MINUTE_MS
}

describe('of the submissions of one id [K6]', () => {
  const two = kept(sent(0, '+447700900001'), sent(60, '+447700900002'))

  it('fault G6: the one wins that went to the number that the receipt names', () => {
    expect(joined(two, lookup(61, { destAddr: '+447700900001' }))).toBe(0)
    expect(joined(two, lookup(61, { destAddr: '+447700900002' }))).toBe(60)
  })

  it('the number is known wherever the receipt has it, and however its country writes it', () => {
    expect(joined(two, lookup(61, { sourceAddr: '447700900001', destAddr: 'GHASI' }))).toBe(0)
    for (const destAddr of ['07700900001', '00447700900001', '7700-900 001', '0900001', '(0)7700.900001'])
      expect(joined(two, lookup(61, { destAddr }))).toBe(0)
  })

  it('of two numbers with the same end the one wins that shares more of it', () => {
    const alike = kept(sent(0, '+2347039245475'), sent(1, '+2348039245475'))
    expect(joined(alike, lookup(2, { destAddr: '07039245475' }))).toBe(0)
    expect(joined(alike, lookup(2, { destAddr: '08039245475' }))).toBe(1)
    expect(joined(alike, lookup(2, { destAddr: '9245475' }))).toBe(1)
  })

  it.each([{}, { destAddr: '900001' }, { destAddr: '44770090XXXX' }, { sourceAddr: 'GHASI' }])(
    'without a number that can be compared, %j, the newest wins that is older than the receipt',
    (addresses) => {
      expect(joined(two, lookup(59, addresses))).toBe(0)
      expect(joined(two, lookup(60, addresses))).toBe(60)
      expect(joined(two, lookup(90, addresses))).toBe(60)
    },
  )

  it('[F15] a receipt that is older than all of them is that of the oldest', () => {
    expect(joined(two, lookup(-1))).toBe(0)
  })

  it('several to the same number: the newest that is older than the receipt', () => {
    const same = kept(sent(0), sent(60), sent(120))
    expect(joined(same, lookup(61, { destAddr: '447700900001' }))).toBe(60)
  })

  it('a number that none of them has is a stranger', () => {
    expect(joined(two, lookup(61, { destAddr: '+447700900003' }))).toBe('stranger')
  })

  it('[K8] one that has expired counts as none', () => {
    expect(joined(two, lookup(168 * 60 + 1, { destAddr: '+447700900001' }))).toBe('stranger')
    expect(joined(two, lookup(169 * 60 + 1))).toBe('none')
  })

  it('[D8] a released receipt belongs to the message that it was correlated with, or to none of them', () => {
    const other = '9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d'
    const sents = kept(sent(0), sent(60, '+447700900002', { messageId: other }))
    const released = (messageId: string): ReceiptLookup => {
      const { receipt, ...rest } = lookup(61, { destAddr: '+447700900009' })
      return { ...rest, receipt: { ...receipt, messageId }, release: { quarantineId: other } }
    }
    expect(joined(sents, released(sentExample.messageId))).toBe(0)
    expect(joined(sents, released(other))).toBe(60)
    expect(joined(sents, released('00000000-0000-4000-8000-000000000000'))).toBe('none')
  })
})

describe('what is kept of one id [K7]', () => {
  it('is the 16 newest submissions, in whatever order they come', () => {
    const minutes = Array.from({ length: 16 + 2 }, (_, index) => index)
    for (const order of [minutes, minutes.toReversed()]) {
      const all = kept(...order.map((minute) => sent(minute)))
      expect(all.map(({ submittedAt }) => submittedAt)).toEqual(
        minutes
          .slice(2)
          .toReversed()
          .map((minute) => iso(START + minute * MINUTE_MS)),
      )
    }
  })

  it('loses what has expired', () => {
    const all = withSubmission(kept(sent(0), sent(60)), sent(120), iso(START + 168 * HOUR_MS + 1))
    expect(all).toHaveLength(2)
  })

  it('fault R3: is less when submissions are large, so that their row fits the log', () => {
    const large = { metadata: { note: 'x'.repeat(60_000) } }
    expect(kept(sent(0, '+447700900001', { metadata: { note: 'x'.repeat(900_000) } }))).toHaveLength(1)
    expect(kept(...[0, 1, 2, 3, 4, 5].map((minute) => sent(minute, '+447700900001', large)))).toHaveLength(4)
  })

  it('is read from rows that an older version has written', () => {
    const { canonicalId: _, ...old } = sent(0)
    expect(Submitted.parse({ ...old, canonicalId: 'OP-1' })).toEqual(kept(sent(0))[0])
  })
})
