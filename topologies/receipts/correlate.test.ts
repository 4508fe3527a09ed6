import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ReadingProgress } from '../../streams/contracts/lookups.ts'
import { CORRELATION_HOURS } from '../../streams/contracts/correlation-hours.ts'
import { lookupExample, sentExample } from '../../streams/contracts/examples.ts'
import {
  dlrRecords,
  receiptLookups,
  segmentFacts,
  sentSegments,
  unmatchedReceipts,
  type ReceiptLookup,
  type SentSegment,
} from '../../streams/contracts/receipts.ts'
import {
  lookupEventId,
  orphanRowId,
  receiptEventId,
  receiptFactEventId,
  recordEventId,
  sentEventId,
  unmatchedEventId,
} from '../../streams/domain/event-id.ts'
import { normaliseStat } from '../../streams/domain/receipt/stat.ts'
import { Driver, type PipeOptions } from '../../streams/testing/driver.ts'
import { WAITING_MAX } from './correlation.ts'
import { correlate } from './correlate.ts'

const START = Date.parse('2026-04-18T10:23:46.200Z')
const HOUR_MS = 3_600_000
const OTHER = '9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d'
const quarantineId = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'
const { operatorId, operatorMessageId } = lookupExample.receipt
const iso = (ms: number): string => new Date(ms).toISOString()

function lookup(
  stat = 'DELIVRD',
  receivedAtMs = START,
  changes: Partial<ReceiptLookup['receipt']> = {},
): ReceiptLookup {
  const receivedAt = iso(receivedAtMs)
  const eventId = receiptEventId({ operatorId, operatorMessageId, stat, receivedAt })
  const receipt = {
    ...lookupExample.receipt,
    stat,
    dlrStatus: normaliseStat(stat),
    receivedAt,
    eventId,
    ...changes,
  }
  return { ...lookupExample, eventId: lookupEventId(eventId), receipt }
}

const large = (bytes: number) => ({ rawPayload: { text: 'x'.repeat(bytes) } })

/** A submission of so many hours after the first one. */
function sent(hours = 0, changes: Partial<SentSegment> = {}): SentSegment {
  const submittedMs = START - 6000 + hours * HOUR_MS
  const times = { submittedAt: iso(submittedMs), expiresAt: iso(submittedMs + CORRELATION_HOURS * HOUR_MS) }
  return { ...sentExample, eventId: sentEventId(`${hours}`), ...times, ...changes }
}

const ALL_READ: ReadingProgress = { ends: [7, 9], read: [7, 9] }

class World {
  /** How far submit results have been read; null: nobody can tell. */
  results: ReadingProgress | null = ALL_READ
  asked = 0
  readonly driver = new Driver([correlate], {
    now: START,
    answer: (_, at) => {
      this.asked += 1
      if (this.results === null) return { kind: 'unavailable', reason: 'LOG_UNAVAILABLE', at }
      return { kind: 'found', value: this.results, at }
    },
  })
  lookup(value: ReceiptLookup, options: PipeOptions = {}): number {
    return this.driver.pipe(receiptLookups, value, options)
  }
  sent(value: SentSegment, options: PipeOptions = {}): number {
    return this.driver.pipe(sentSegments, value, options)
  }
  emitted() {
    return {
      facts: this.driver.read(segmentFacts),
      records: this.driver.read(dlrRecords),
      unmatched: this.driver.read(unmatchedReceipts),
    }
  }
  noted(event: string) {
    return this.driver.notes.filter((note) => note.event === event).map((note) => note.fields)
  }
  get row() {
    return JSON.stringify(this.driver.row('sent', `${operatorId}:${operatorMessageId}`))
  }
}
const NOTHING = { facts: [], records: [], unmatched: [] }

describe('a receipt whose segment is known [D7]', () => {
  it('is joined with it at once', () => {
    const world = new World()
    world.sent(sent())
    const { eventId: _, ...given } = lookup()
    world.lookup(lookup())
    const { messageId, tenantId, accountId, enqueuedAt, to, segmentCount, metadata } = sentExample
    const at = iso(START)
    expect(world.emitted()).toEqual({
      ...NOTHING,
      facts: [
        {
          schemaVersion: '1.0',
          eventId: receiptFactEventId(given.receipt.eventId),
          occurredAt: at,
          kind: 'RECEIPT',
          messageId,
          tenantId,
          accountId,
          enqueuedAt,
          segmentIndex: 1,
          totalSegments: 1,
          submission: { to, submittedAt: sent().submittedAt, segmentCount, metadata },
          receipt: given.receipt,
          correlatedAt: at,
        },
      ],
    })
    expect(world.noted('dlr.correlated')).toEqual([{ messageId, accountId, dlrStatus: 'DELIVERED' }])
  })

  it('is not joined with a segment that has expired', () => {
    const world = new World()
    world.sent(sent())
    world.lookup(lookup('DELIVRD', START - 6000 + CORRELATION_HOURS * HOUR_MS + 1))
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(6000)
    expect(world.emitted()).toMatchObject({ facts: [], records: [{ kind: 'ORPHAN' }] })
  })

  it('[K8] is joined up to the last millisecond of its hours', () => {
    const world = new World()
    world.sent(sent())
    world.lookup(lookup('DELIVRD', START - 6000 + CORRELATION_HOURS * HOUR_MS))
    expect(world.emitted().facts).toHaveLength(1)
  })
})

describe('a receipt whose segment is not known ([D9], [D10])', () => {
  it('DLR-007.1 DLR-007.3 DLR-007.4 is looked for again after 3 and 6 s, then an orphan', () => {
    const world = new World()
    world.lookup(lookup())
    world.driver.advance(2999)
    expect(world.noted('dlr.correlation_retry')).toHaveLength(0)
    world.driver.advance(1)
    expect(world.noted('dlr.correlation_retry')).toHaveLength(1)
    world.driver.advance(2999)
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(1)
    expect(world.noted('dlr.correlation_retry')).toHaveLength(2)
    expect(world.emitted().records).toHaveLength(1)
    world.driver.advance(60_000)
    expect(world.emitted()).toEqual(NOTHING)
  })

  it('DLR-005.2 DLR-005.5 DLR-006.1 DLR-006.2 is reported to sinks and reconciliation, counted and logged', () => {
    const world = new World()
    const given = lookup('UNDELIV')
    world.lookup(given)
    world.driver.advance(6000)
    const orphanId = orphanRowId(given.receipt.eventId)
    const envelope = { schemaVersion: '1.0', occurredAt: iso(START + 6000) }
    expect(world.emitted()).toEqual({
      facts: [],
      records: [
        {
          ...envelope,
          eventId: recordEventId('ORPHAN', given.receipt.eventId),
          kind: 'ORPHAN',
          orphanId,
          receipt: given.receipt,
        },
      ],
      unmatched: [
        {
          ...envelope,
          eventId: unmatchedEventId(orphanId),
          orphanId,
          operatorMessageId,
          operatorId,
          rawStat: 'UNDELIV',
          receivedAt: given.receipt.receivedAt,
        },
      ],
    })
    expect(world.noted('dlr.orphaned')).toEqual([{ operatorId, operatorMessageId, orphanId }])
  })

  it.each([1, 2999, 3000, 5999])(
    'DLR-007.2 [F15] is joined as soon as its segment comes, after %i ms',
    (ms) => {
      const world = new World()
      world.lookup(lookup())
      world.driver.advance(ms)
      world.sent(sent())
      expect(world.emitted().facts).toMatchObject([{ correlatedAt: iso(START + ms) }])
      world.driver.advance(60_000)
      expect(world.emitted()).toEqual(NOTHING)
    },
  )

  it('PLT-7 waits beside other receipts of the same id, each for its own 6 s', () => {
    const world = new World()
    world.lookup(lookup('ACCEPTD'))
    world.driver.advance(2000)
    world.lookup(lookup('DELIVRD'))
    world.driver.advance(4000)
    expect(world.emitted().records).toMatchObject([{ receipt: { stat: 'ACCEPTD' } }])
    world.driver.advance(1999)
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(1)
    expect(world.emitted().records).toMatchObject([{ receipt: { stat: 'DELIVRD' } }])
  })

  it('settles the oldest at once when too many wait', () => {
    const world = new World()
    for (let i = 0; i <= WAITING_MAX; i += 1) world.lookup(lookup('DELIVRD', START + i))
    expect(world.emitted().records).toMatchObject([{ kind: 'ORPHAN', receipt: { receivedAt: iso(START) } }])
    world.sent(sent())
    expect(world.emitted().facts).toHaveLength(WAITING_MAX)
  })

  it('fault R3: are given up sooner when they are large, so that their row fits the log', () => {
    const world = new World()
    world.lookup(lookup('DELIVRD', START, large(900_000)))
    expect(world.emitted()).toEqual(NOTHING)
    world.lookup(lookup('DELIVRD', START + 1))
    expect(world.emitted().records).toMatchObject([{ kind: 'ORPHAN', receipt: { receivedAt: iso(START) } }])
    for (let i = 2; i < 8; i += 1) world.lookup(lookup('DELIVRD', START + i, large(100_000)))
    expect(world.emitted().records).toHaveLength(2)
    world.sent(sent())
    expect(world.emitted().facts).toHaveLength(5)
  })

  it('leaves nothing behind after 72 h', () => {
    const world = new World()
    world.lookup(lookup())
    world.driver.advance(6000 + 72 * HOUR_MS)
    expect(world.driver.rowCount).toBe(0)
  })
})

describe('a look that finds nothing [D9]', () => {
  it('does not count before the submit results have been read that were there at the look before', () => {
    const world = new World()
    world.results = { ends: [7, 9], read: [7, 8] }
    world.lookup(lookup())
    world.driver.advance(HOUR_MS)
    world.results = { ends: [7, 12], read: [7, 9] }
    world.driver.advance(3000)
    world.results = { ends: [7, 99], read: [7, 11] }
    world.driver.advance(HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
    world.results = { ends: [7, 99], read: [7, 12] }
    world.driver.advance(3000)
    expect(world.emitted().records).toMatchObject([{ kind: 'ORPHAN' }])
  })

  it('fault R2: does not wait for results that a topic held before it was made again', () => {
    const world = new World()
    world.results = { ends: [7, 9], read: [7, 8] }
    world.lookup(lookup())
    world.results = { ends: [8, 1], read: [8, 0] }
    world.driver.advance(HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
    world.results = { ends: [8, 1], read: [8, 1] }
    world.driver.advance(6000)
    expect(world.emitted().records).toMatchObject([{ kind: 'ORPHAN' }])
  })

  it('joins the receipt when its submission comes long after, from results that were read late', () => {
    const world = new World()
    world.results = { ends: [7, 9], read: [0, 0] }
    world.lookup(lookup())
    world.driver.advance(HOUR_MS)
    world.sent(sent())
    expect(world.emitted().facts).toHaveLength(1)
  })

  it('does not wait for results that come after it', () => {
    const world = new World()
    let count = 9
    world.lookup(lookup())
    for (const _ of [1, 2]) {
      world.results = { ends: [7, count + 5], read: [7, count] }
      world.driver.advance(3000)
      count += 5
    }
    expect(world.emitted().records).toHaveLength(1)
  })

  it('does not count while nobody can tell how far results have been read', () => {
    const world = new World()
    world.results = null
    world.lookup(lookup())
    world.driver.advance(HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
    world.results = ALL_READ
    world.driver.advance(9000)
    expect(world.emitted().records).toHaveLength(1)
  })

  it('comes 3 s after the one before, however long ago the receipt was written', () => {
    const world = new World()
    world.lookup(lookup(), { at: START - HOUR_MS })
    world.driver.advance(2999)
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(1)
    expect(world.emitted().records).toMatchObject([{ occurredAt: iso(START + 3000) }])
  })

  it('asks nothing for a receipt whose segment is known or that was decided', () => {
    const world = new World()
    world.sent(sent())
    const offset = world.lookup(lookup())
    world.lookup(lookup(), { offset })
    expect(world.asked).toBe(0)
  })
})

describe('a released receipt [D8]', () => {
  const { messageId, tenantId, accountId, enqueuedAt } = sentExample
  const owners = { messageId, tenantId, accountId, enqueuedAt, segmentIndex: 2, totalSegments: 3 }
  const release = { release: { quarantineId } }

  it('is taken on the word of its payload when its segment is gone', () => {
    const world = new World()
    world.lookup({ ...lookup('UNDELIV', START, owners), ...release })
    const { facts } = world.emitted()
    expect(facts).toMatchObject([{ ...owners, ...release }])
    expect(facts[0]).not.toHaveProperty('submission')
  })

  it('[D7] is joined like any other while its segment is known', () => {
    const world = new World()
    world.sent(sent())
    world.lookup({ ...lookup('UNDELIV', START, owners), ...release })
    expect(world.emitted().facts).toMatchObject([{ segmentIndex: 1, submission: {}, ...release }])
  })

  it('waits like any other when its payload does not say whose it is', () => {
    const world = new World()
    world.lookup({ ...lookup(), ...release })
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(6000)
    expect(world.emitted().records).toMatchObject([{ kind: 'ORPHAN' }])
  })
})

describe('reading again', () => {
  it('[P2] a joined receipt emits the same fact, also when the id has a newer submission since', () => {
    const world = new World()
    world.sent(sent())
    const offset = world.lookup(lookup())
    const first = world.emitted()
    world.sent(sent(1, { messageId: OTHER }))
    world.driver.advance(1000)
    world.lookup(lookup(), { offset })
    expect(world.emitted()).toEqual(first)
    world.lookup(lookup(), { headers: { replayed: '1' } })
    expect(world.emitted()).toEqual(first)
  })

  it('[P2] an orphan stays the same orphan, also when its segment has come since', () => {
    const world = new World()
    const offset = world.lookup(lookup())
    world.driver.advance(6000)
    const first = world.emitted()
    world.sent(sent())
    world.lookup(lookup(), { offset })
    expect(world.emitted()).toEqual(first)
  })

  it('a receipt that waits is not doubled', () => {
    const world = new World()
    const offset = world.lookup(lookup())
    world.lookup(lookup(), { offset })
    world.sent(sent())
    expect(world.emitted().facts).toHaveLength(1)
  })

  it('[P1] whatever the order, every receipt is decided once and the second reading says the same', () => {
    const inputs = [
      ...[0, 1, 2].map((i) => ({ lookup: lookup('DELIVRD', START + i) })),
      ...[0, 1].map((hours) => ({ sent: sent(hours) })),
      ...[1, 2000, 3000].map((ms) => ({ ms })),
    ]
    const all = fc.shuffledSubarray(inputs, { minLength: inputs.length, maxLength: inputs.length })
    fc.assert(
      fc.property(all, (order) => {
        const world = new World()
        const piped: { input: (typeof inputs)[number]; offset: number; at: number }[] = []
        for (const input of order) {
          const at = world.driver.now
          if ('lookup' in input) piped.push({ input, at, offset: world.lookup(input.lookup) })
          if ('sent' in input) piped.push({ input, at, offset: world.sent(input.sent) })
          if ('ms' in input) world.driver.advance(input.ms)
        }
        world.driver.advance(6000)
        const { facts, records } = world.emitted()
        expect(facts.length + records.length).toBe(3)
        const row = world.row
        for (const { input, offset, at } of piped) {
          if ('lookup' in input) world.lookup(input.lookup, { offset, at })
          if ('sent' in input) world.sent(input.sent, { offset, at })
        }
        const again = world.emitted()
        expect(new Set(again.facts)).toEqual(new Set(facts))
        expect(new Set(again.records)).toEqual(new Set(records))
        expect(world.row).toBe(row)
      }),
      { numRuns: 200 },
    )
  })
})
