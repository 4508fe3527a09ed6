import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inboundReceiptExample, sentExample } from '../../streams/contracts/examples.ts'
import type { ReadingProgress } from '../../streams/contracts/lookups.ts'
import {
  dlrRecords,
  inboundReceipts,
  receiptLookups,
  segmentFacts,
  sentSegments,
  RELEASE_HEADER,
  unmatchedReceipts,
  type InboundReceipt,
  type SentSegment,
} from '../../streams/contracts/receipts.ts'
import { receiptEventId, sentEventId } from '../../streams/domain/event-id.ts'
import type { CanonicalIdRule } from '../../streams/domain/receipt/canonical-id.ts'
import { Driver, type PipeOptions } from '../../streams/testing/driver.ts'
import { correlate } from './correlate.ts'
import { intake } from './intake.ts'

const START = Date.parse('2026-04-18T10:23:46.200Z')
const HOUR_MS = 3_600_000
const { operatorId } = inboundReceiptExample
const OTHER = '9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d'
const quarantineId = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'
const iso = (ms: number): string => new Date(ms).toISOString()

function receipt(ids: readonly [string, ...string[]], changes: Partial<InboundReceipt> = {}): InboundReceipt {
  const [operatorMessageId, ...alternateIds] = ids
  const { destAddr: _, ...example } = inboundReceiptExample
  const { stat = 'DELIVRD', receivedAt = iso(START) } = changes
  return {
    ...example,
    operatorMessageId,
    ...(alternateIds.length > 0 && { alternateIds }),
    eventId: receiptEventId({ operatorId, operatorMessageId, stat, receivedAt }),
    receivedAt,
    ...changes,
  }
}

const sent = (canonicalId: string, changes: Partial<SentSegment> = {}): SentSegment => ({
  ...sentExample,
  eventId: sentEventId(`${canonicalId} ${changes.messageId ?? ''}`),
  operatorMessageId: canonicalId,
  canonicalId,
  submittedAt: iso(START - 6000),
  expiresAt: iso(START + 168 * HOUR_MS),
  ...changes,
})

class World {
  results: ReadingProgress = { ends: [3], read: [3] }
  readonly driver: Driver

  constructor(rules: readonly CanonicalIdRule[] = []) {
    this.driver = new Driver([intake({ rulesOf: () => rules }), correlate], {
      now: START,
      answer: (_, at) => ({ kind: 'found', value: this.results, at }),
    })
  }
  receipt(value: InboundReceipt, options: PipeOptions = {}): number {
    return this.driver.pipe(inboundReceipts, value, options)
  }
  sent(value: SentSegment, options: PipeOptions = {}): number {
    return this.driver.pipe(sentSegments, value, options)
  }
  /** What the receipts have become, and how often each lookup was on the log. */
  decided() {
    return {
      facts: this.driver.read(segmentFacts).flatMap((fact) => (fact.kind === 'RECEIPT' ? [fact] : [])),
      records: this.driver.read(dlrRecords),
      unmatched: this.driver.read(unmatchedReceipts),
    }
  }
  joined(): readonly string[] {
    return this.decided().facts.map(({ messageId }) => messageId)
  }
  noted(event: string) {
    return this.driver.notes.filter((note) => note.event === event)
  }
  get waiting(): boolean {
    return ['A', 'B', 'C'].some((id) =>
      JSON.stringify(this.driver.row('sent', `${operatorId}:${id}`) ?? {}).includes('"again"'),
    )
  }
}

const IDS = ['A', 'B', 'C'] as const

describe('a receipt with several ids ([K4], [K5])', () => {
  it.each(IDS)('is joined at once with what was submitted under %s', (id) => {
    const world = new World()
    world.sent(sent(id))
    world.receipt(receipt(IDS))
    expect(world.decided()).toMatchObject({
      facts: [{ messageId: sentExample.messageId, receipt: { operatorMessageId: 'A' } }],
      records: [],
    })
    expect(world.noted('dlr.correlated')).toHaveLength(1)
    expect(world.waiting).toBe(false)
  })

  it('goes to the next one only as long as it has found nothing', () => {
    const world = new World()
    world.sent(sent('B'))
    world.sent(sent('C', { messageId: OTHER }))
    world.receipt(receipt(IDS))
    expect(world.joined()).toEqual([sentExample.messageId])
    expect(world.driver.read(receiptLookups).map(({ canonicalId }) => canonicalId)).toEqual(['A', 'B'])
  })

  it('is tried in both bases where its id can be read in both', () => {
    for (const [submitted, received] of [
      ['4097', '1001'],
      ['1001', '1001'],
    ] as const) {
      const world = new World(['hex2dec'])
      world.sent(sent(submitted))
      world.receipt(receipt([received]))
      expect(world.joined()).toHaveLength(1)
    }
  })

  it('[D10] that nobody knows waits under the last one, and is one orphan after three looks', () => {
    const world = new World()
    world.receipt(receipt(IDS))
    world.driver.advance(5999)
    expect(world.decided()).toEqual({ facts: [], records: [], unmatched: [] })
    expect(world.waiting).toBe(true)
    world.driver.advance(1)
    expect(world.decided()).toMatchObject({
      facts: [],
      records: [{ kind: 'ORPHAN', receipt: { operatorMessageId: 'A' } }],
      unmatched: [{ operatorMessageId: 'A' }],
    })
    expect(world.noted('dlr.correlation_retry')).toHaveLength(2)
    world.driver.advance(60_000)
    expect(world.decided().records).toEqual([])
    expect(world.driver.read(receiptLookups).map(({ canonicalId }) => canonicalId)).toEqual(
      [1, 2, 3].flatMap(() => IDS),
    )
  })

  it.each(IDS.flatMap((id) => [1, 2999, 3000, 5999].map((ms) => [id, ms] as const)))(
    '[D9] [F15] is joined within its looks when the submission comes under %s after %i ms',
    (id, ms) => {
      const world = new World()
      world.receipt(receipt(IDS))
      world.driver.advance(ms)
      world.sent(sent(id))
      world.driver.advance(6000)
      const { facts, records } = world.decided()
      expect([facts.length, records.length]).toEqual([1, 0])
    },
  )

  it('[D9] is no orphan before the submit results have been read that were there when it came', () => {
    const world = new World()
    world.results = { ends: [3], read: [2] }
    world.receipt(receipt(IDS))
    world.driver.advance(HOUR_MS)
    expect(world.decided().records).toEqual([])
    world.sent(sent('A'))
    world.results = { ends: [3], read: [3] }
    world.driver.advance(6000)
    const { facts, records } = world.decided()
    expect([facts.length, records.length]).toEqual([1, 0])
  })

  it('[D8] is taken on the word of its release only when none of them knows its message', () => {
    const { messageId, tenantId, accountId, enqueuedAt } = sentExample
    const owners = { messageId, tenantId, accountId, enqueuedAt, segmentIndex: 2, totalSegments: 3 }
    const release = { headers: { [RELEASE_HEADER]: quarantineId } }
    const world = new World()
    world.sent(sent('A', { messageId: OTHER }))
    world.receipt(receipt(IDS, owners), release)
    expect(world.decided().facts).toMatchObject([{ ...owners, release: { quarantineId } }])
    const known = new World()
    known.sent(sent('C'))
    known.receipt(receipt(IDS, owners), release)
    expect(known.decided().facts).toMatchObject([
      { segmentIndex: 1, submission: {}, release: { quarantineId } },
    ])
  })
})

const from = (destAddr: string, changes: Partial<InboundReceipt> = {}): InboundReceipt =>
  receipt(['1001'], { destAddr, ...changes })

describe('a receipt that names a number [K6]', () => {
  const FIRST = '+447700900001'
  const SECOND = '+447700900002'

  it('fault G6: of an id that was given out twice reaches the message of its number', () => {
    const world = new World()
    world.sent(sent('1001', { to: FIRST }))
    world.sent(sent('1001', { to: SECOND, messageId: OTHER, submittedAt: iso(START - 3000) }))
    world.receipt(from(FIRST, { stat: 'UNDELIV' }))
    world.receipt(from(SECOND))
    expect(world.decided().facts).toMatchObject([
      { messageId: sentExample.messageId, receipt: { dlrStatus: 'UNDELIVERED' } },
      { messageId: OTHER, receipt: { dlrStatus: 'DELIVERED' } },
    ])
  })

  it('fault G6: waits for the submission to its number instead of taking the one that had the id before', () => {
    const world = new World()
    world.sent(sent('1001', { to: FIRST }))
    world.receipt(from(SECOND))
    expect(world.joined()).toEqual([])
    world.driver.advance(2000)
    world.sent(sent('1001', { to: SECOND, messageId: OTHER, submittedAt: iso(START + 50) }))
    expect(world.joined()).toEqual([OTHER])
  })

  it('that is nobody’s is joined by its id alone when all looks are over', () => {
    const world = new World()
    world.sent(sent('1001', { to: FIRST }))
    world.receipt(from(SECOND))
    world.driver.advance(5999)
    expect(world.joined()).toEqual([])
    world.driver.advance(1)
    expect(world.joined()).toEqual([sentExample.messageId])
  })

  it('passes a stranger under one id for its own under the next, and comes back to it in the end', () => {
    const ids = ['1001', '4097'] as const
    const own = new World()
    own.sent(sent('1001', { to: FIRST, messageId: OTHER }))
    own.sent(sent('4097', { to: SECOND }))
    own.receipt(receipt(ids, { destAddr: SECOND }))
    expect(own.joined()).toEqual([sentExample.messageId])
    const nobody = new World()
    nobody.sent(sent('1001', { to: FIRST, messageId: OTHER }))
    nobody.receipt(receipt(ids, { destAddr: SECOND }))
    expect(nobody.joined()).toEqual([])
    nobody.driver.advance(6000)
    expect(nobody.joined()).toEqual([OTHER])
  })

  it('is an orphan when the stranger that it comes back to is gone meanwhile', () => {
    const world = new World()
    world.receipt(receipt(['4097'], { destAddr: SECOND }))
    const [lookup] = world.driver.read(receiptLookups)
    if (lookup === undefined) throw new Error('there is no lookup')
    const back = { ...lookup, canonicalId: '1001', byIdAlone: true as const }
    world.driver.pipe(receiptLookups, back)
    expect(world.decided()).toMatchObject({ facts: [], records: [{ kind: 'ORPHAN' }] })
  })
})

type Input = { readonly receipt: InboundReceipt } | { readonly sent: SentSegment } | { readonly ms: number }

/** Receipts with common ids and all kinds of numbers, submissions, and time. */
const inputs: readonly Input[] = [
  { receipt: receipt(IDS, { destAddr: '+447700900001' }) },
  { receipt: receipt(['B', 'A'], { destAddr: '+447700900002' }) },
  { receipt: receipt(['C', 'B'], { destAddr: '+447700900003' }) },
  { receipt: receipt(['A', 'C'], { stat: 'UNDELIV' }) },
  { sent: sent('A', { to: '+447700900001' }) },
  { sent: sent('A', { to: '+447700900002', messageId: OTHER }) },
  { sent: sent('C', { to: '+447700900004', messageId: OTHER }) },
  ...[1, 2000, 3000, 3000].map((ms) => ({ ms })),
]

describe('whatever the order', () => {
  it('[P1] [P2] every receipt is decided once, and reading all of it again says the same', () => {
    const some = fc.shuffledSubarray([...inputs], { minLength: 4 })
    fc.assert(
      fc.property(some, (order) => {
        const world = new World()
        const piped: { input: Input; offset: number; at: number }[] = []
        for (const input of order) {
          const at = world.driver.now
          if ('receipt' in input) piped.push({ input, at, offset: world.receipt(input.receipt) })
          if ('sent' in input) piped.push({ input, at, offset: world.sent(input.sent) })
          if ('ms' in input) world.driver.advance(input.ms)
        }
        world.driver.advance(12_000)
        const first = world.decided()
        const receipts = order.filter((input) => 'receipt' in input)
        expect(first.facts.length + first.records.length).toBe(receipts.length)
        expect(first.unmatched).toHaveLength(first.records.length)
        for (const { input, offset, at } of piped) {
          if ('receipt' in input) world.receipt(input.receipt, { offset, at })
          if ('sent' in input) world.sent(input.sent, { offset, at })
        }
        world.driver.advance(12_000)
        const again = world.decided()
        expect(new Set(again.facts)).toEqual(new Set(first.facts))
        expect(new Set(again.records)).toEqual(new Set(first.records))
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
