import { describe, expect, it } from 'vitest'
import { decode } from '../streams/contracts/decode.ts'
import {
  expectedFactExample,
  inboundReceiptExample,
  submitResultExample,
} from '../streams/contracts/examples.ts'
import { submitResults, type SubmitResult } from '../streams/contracts/outbound.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../streams/contracts/outcomes.ts'
import {
  dlrRecords,
  inboundReceipts,
  receiptLookups,
  segmentFacts,
  unmatchedReceipts,
  type InboundReceipt,
  RELEASE_HEADER,
} from '../streams/contracts/receipts.ts'
import { orphanRowId, receiptEventId, receiptRowId, submitResultEventId } from '../streams/domain/event-id.ts'
import type { LogFields } from '../streams/platform/logger.ts'
import { Metrics } from '../streams/platform/metrics.ts'
import { observeNotes } from '../streams/runtime/watch/observe-notes.ts'
import { Driver, type PipeOptions } from '../streams/testing/driver.ts'
import { NOTES, POISON } from './notes.ts'
import { correlate } from './receipts/correlate.ts'
import { intake } from './receipts/intake.ts'
import { segments } from './segments/segments.ts'

/**
 * The rows of `docs/rules/receipts.md` from [D1] to [D29] in their order, each through the front
 * door: what is said on the log, and what is noted for metrics and lines.
 */

const START = Date.parse(submitResultExample.submittedAt)
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const { operatorId } = submitResultExample
const quarantineId = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'
const release: PipeOptions = { headers: { [RELEASE_HEADER]: quarantineId } }
const iso = (ms: number): string => new Date(ms).toISOString()
const rulesOf = () => []

interface Said {
  readonly index?: number
  readonly receivedAt?: number
  readonly bufferedMs?: number | null
  readonly owners?: boolean
}

class World {
  readonly driver = new Driver([intake({ rulesOf }), correlate, segments({ rulesOf })], {
    now: START,
    answer: (_, at) => ({ kind: 'found', value: { ends: [], read: [] }, at }),
  })
  readonly #total: number
  #offset = 0

  constructor(total = 1) {
    this.#total = total
  }

  expected = (): this => {
    if (expectedFactExample.kind !== 'EXPECTED') throw new Error('another example is meant')
    const expectedSegments = this.#total
    const sentAt = iso(START)
    this.driver.pipe(segmentFacts, {
      ...expectedFactExample,
      segmentCount: expectedSegments,
      expectedSegments,
      sentAt,
    })
    return this
  }

  result = (
    index: number,
    outcome: SubmitResult['outcome'] = 'ACCEPTED',
    options: PipeOptions = {},
  ): this => {
    const { operatorMessageId: _, ...example } = submitResultExample
    const given = {
      ...example,
      segmentIndex: index,
      totalSegments: this.#total,
      segmentCount: this.#total,
      outcome,
      ...(outcome === 'ACCEPTED' && { operatorMessageId: `OP-${index}` }),
    }
    this.#offset = this.driver.pipe(submitResults, { ...given, eventId: submitResultEventId(given) }, options)
    return this
  }

  submitted = (): this => {
    this.expected()
    for (let index = 1; index <= this.#total; index += 1) this.result(index)
    return this
  }

  receipt = (stat: string, said: Said = {}, options: PipeOptions = {}): this => {
    const { index = 1, receivedAt = this.driver.now, bufferedMs = 1000, owners = false } = said
    const operatorMessageId = `OP-${index}`
    const { messageId, tenantId, accountId, enqueuedAt } = submitResultExample
    const event: InboundReceipt = {
      ...inboundReceiptExample,
      operatorMessageId,
      eventId: receiptEventId({ operatorId, operatorMessageId, stat, receivedAt: iso(receivedAt) }),
      stat,
      receivedAt: iso(receivedAt),
      deliveredAt: bufferedMs === null ? null : iso(receivedAt - bufferedMs),
      ...(owners && {
        messageId,
        tenantId,
        accountId,
        enqueuedAt,
        segmentIndex: index,
        totalSegments: this.#total,
      }),
    }
    this.#offset = this.driver.pipe(inboundReceipts, event, options)
    return this
  }

  after = (ms: number): this => {
    this.driver.advance(ms)
    return this
  }

  /** What has been said and noted so far is not looked at. */
  past = (): this => {
    this.told()
    return this
  }

  /** The last input is read once more at its own place. */
  readAgain = (again: (options: PipeOptions) => unknown): this => {
    again({ offset: this.#offset })
    return this
  }

  told(): readonly string[] {
    const { driver } = this
    const said = [
      ...driver.read(receiptLookups).map(() => 'lookup'),
      ...driver.read(segmentFacts).flatMap((fact) => (fact.kind === 'RECEIPT' ? ['fact'] : [])),
      ...driver.read(unmatchedReceipts).map(() => 'unmatched'),
      ...driver.read(dlrRecords).map((record) => {
        const outcome =
          record.kind !== 'ORPHAN' && record.messageOutcome ? ` closes ${record.messageOutcome.status}` : ''
        const applied = record.kind === 'RECEIPT' && !record.applied ? ' kept' : ''
        const released = 'release' in record ? ' released' : ''
        return `${record.kind}${applied}${released}${outcome}`
      }),
      ...driver.read(aggregatedOutcomes).map(({ status, closedBy }) => `aggregated ${status} ${closedBy}`),
      ...driver.read(billingEvents).map(({ dlrStatus }) => `billing ${dlrStatus}`),
      ...driver.read(webhookEvents).map(({ dlrStatus }) => `webhook ${dlrStatus}`),
    ]
    const noted = driver.notes.splice(0).map(({ event }) => event)
    return [...said, ...noted]
  }
}

const PASSES = ['lookup', 'fact']
const NOTED = ['dlr.received', 'dlr.correlated']
const closed = (status: string, by = 'ALL_RECEIVED') => [
  `aggregated ${status} ${by}`,
  `billing ${status}`,
  `webhook ${status}`,
]
/** A message of one segment that was delivered. */
const delivered = (): World => new World().submitted().receipt('DELIVRD').past()
const stale: Said = { bufferedMs: 6 * MINUTE_MS }

type Row = readonly [code: string, what: string, play: () => World, told: readonly string[]]

const rows: readonly Row[] = [
  [
    '[D2] [D6]',
    'a valid receipt is received, looked for',
    () => new World().receipt('DELIVRD'),
    ['lookup', 'dlr.received'],
  ],
  [
    '[D3]',
    'a released one passes though its fingerprint is known',
    () => {
      const world = new World().submitted().receipt('DELIVRD').past()
      return world.after(1000).receipt('DELIVRD', {}, release)
    },
    [...PASSES, 'RECEIPT kept released', ...NOTED, 'dlr.duplicate'],
  ],
  [
    '[D4]',
    'the same event again is dropped',
    () => delivered().receipt('DELIVRD'),
    ['dlr.received', 'dlr.redelivered'],
  ],
  [
    '[D5]',
    'the same statement in its minute is dropped',
    () => delivered().receipt('DELIVRD', { receivedAt: START + 1 }),
    ['dlr.received', 'dlr.dedup'],
  ],
  [
    '[D7]',
    'a known segment is joined',
    () => new World(2).submitted().past().receipt('DELIVRD'),
    [...PASSES, 'RECEIPT', ...NOTED, 'dlr.processed'],
  ],
  [
    '[D8]',
    'a released one without a row is taken at its word',
    () => new World().receipt('DELIVRD', { owners: true }, release),
    [...PASSES, 'LATE released', 'dlr.received', 'dlr.correlated', 'dlr.late'],
  ],
  [
    '[D9]',
    'an unknown one waits',
    () => new World().receipt('DELIVRD').past().after(5999),
    ['dlr.correlation_retry'],
  ],
  [
    '[D9]',
    'and is joined when its row arrives',
    () => new World().receipt('DELIVRD').past().result(1),
    ['fact', 'RECEIPT closes DELIVERED', ...closed('DELIVERED'), 'dlr.correlated', 'dlr.processed'],
  ],
  [
    '[D10]',
    'is an orphan after three looks',
    () => new World().receipt('DELIVRD').after(3000).past().after(3000),
    ['unmatched', 'ORPHAN', 'dlr.correlation_retry', 'dlr.orphaned'],
  ],
  [
    '[D11]',
    'a submit result read again says the same',
    () => {
      const world = new World().expected().result(1, 'REJECTED').past()
      return world.readAgain((options) => world.result(1, 'REJECTED', options))
    },
    ['SEGMENT closes REJECTED', ...closed('REJECTED')],
  ],
  ['[D12]', 'a closed message takes no submit result', () => delivered().result(1, 'EXPIRED'), []],
  ['[D13]', 'EXPECTED says nothing', () => new World().expected(), []],
  [
    '[D13]',
    'and arms the grace',
    () =>
      new World()
        .expected()
        .past()
        .after(24 * HOUR_MS),
    ['PARTIAL_TIMEOUT closes FAILED', 'aggregated FAILED NOT_SENT', 'webhook FAILED', 'dlr.not_sent'],
  ],
  ['[D14]', 'ACCEPTED says nothing', () => new World().expected().past().result(1), []],
  ['[D15]', 'REJECTED ends a segment', () => new World(2).expected().result(1, 'REJECTED'), ['SEGMENT']],
  [
    '[D15]',
    'EXPIRED ends the message with its last one',
    () => new World(2).expected().result(1).receipt('EXPIRED').past().result(2, 'EXPIRED'),
    ['SEGMENT closes EXPIRED', ...closed('EXPIRED')],
  ],
  [
    '[D15]',
    'a segment that has ended stays',
    () => new World(2).submitted().receipt('DELIVRD').past().result(1, 'REJECTED'),
    [],
  ],
  [
    '[D16]',
    'a receipt read again says the same',
    () => {
      const world = delivered()
      return world.readAgain((options) => world.receipt('DELIVRD', { receivedAt: START }, options))
    },
    [...PASSES, 'RECEIPT closes DELIVERED', ...closed('DELIVERED')],
  ],
  [
    '[D17]',
    'a released one of an unknown message is late',
    () => new World().receipt('UNDELIV', { owners: true }, release),
    [...PASSES, 'LATE released', 'dlr.received', 'dlr.correlated', 'dlr.late'],
  ],
  ...['DELIVRD', 'UNDELIV', 'ENROUTE'].map(
    (stat): Row => [
      '[D18]',
      `a stale ${stat} is quarantined`,
      () =>
        delivered()
          .after(25 * HOUR_MS)
          .receipt(stat, stale),
      [...PASSES, 'QUARANTINED', ...NOTED, 'dlr.quarantined'],
    ],
  ),
  [
    '[D18]',
    'not when it was released',
    () =>
      delivered()
        .after(25 * HOUR_MS)
        .receipt('UNDELIV', stale, release),
    [...PASSES, 'LATE released', ...NOTED, 'dlr.late'],
  ],
  [
    '[D18]',
    'not within 24 h of closing',
    () =>
      delivered()
        .after(24 * HOUR_MS)
        .receipt('UNDELIV', stale),
    [...PASSES, 'LATE', ...NOTED, 'dlr.late'],
  ],
  [
    '[D18]',
    'not when it was not buffered',
    () =>
      delivered()
        .after(25 * HOUR_MS)
        .receipt('UNDELIV', { bufferedMs: 5 * MINUTE_MS }),
    [...PASSES, 'LATE', ...NOTED, 'dlr.late'],
  ],
  [
    '[D18]',
    'not without a done date',
    () =>
      delivered()
        .after(25 * HOUR_MS)
        .receipt('UNDELIV', { bufferedMs: null }),
    [...PASSES, 'LATE', ...NOTED, 'dlr.late'],
  ],
  [
    '[D19]',
    'the status that the segment has is a duplicate',
    () => delivered().after(HOUR_MS).receipt('DELIVRD'),
    [...PASSES, ...NOTED, 'dlr.duplicate'],
  ],
  [
    '[D20]',
    'another status is late',
    () => delivered().after(HOUR_MS).receipt('ENROUTE'),
    [...PASSES, 'LATE', ...NOTED, 'dlr.late'],
  ],
  [
    '[D21]',
    'an identity that was taken is a duplicate',
    () => new World(2).submitted().receipt('DELIVRD').past().after(HOUR_MS).receipt('DELIVRD'),
    [...PASSES, ...NOTED, 'dlr.duplicate'],
  ],
  [
    '[D22]',
    'a segment that has ended keeps its status',
    () => new World(2).submitted().receipt('DELIVRD').past().receipt('UNDELIV'),
    [...PASSES, 'RECEIPT kept', ...NOTED],
  ],
  [
    '[D23]',
    'UNKNOWN of one of two is a row',
    () => new World(2).submitted().past().receipt('ENROUTE'),
    [...PASSES, 'RECEIPT', ...NOTED, 'dlr.processed'],
  ],
  [
    '[D23]',
    'UNKNOWN of the last one is a webhook',
    () => new World(2).submitted().receipt('DELIVRD', { index: 2 }).past().receipt('ENROUTE'),
    [...PASSES, 'RECEIPT', 'webhook UNKNOWN', ...NOTED, 'dlr.processed'],
  ],
  [
    '[D23]',
    'one webhook only',
    () => new World().submitted().receipt('ENROUTE').past().after(HOUR_MS).receipt('ACCEPTD'),
    [...PASSES, ...NOTED, 'dlr.duplicate'],
  ],
  [
    '[D24] [D28]',
    'a terminal one ends the segment and a message of one',
    () => new World().submitted().past().receipt('UNDELIV'),
    [...PASSES, 'RECEIPT closes UNDELIVERED', ...closed('UNDELIVERED'), ...NOTED, 'dlr.processed'],
  ],
  ['[D25]', 'the grace of a closed message is gone', () => delivered().after(48 * HOUR_MS), []],
  [
    '[D26]',
    'the grace ends what was accepted',
    () =>
      new World(2)
        .submitted()
        .receipt('DELIVRD')
        .past()
        .after(24 * HOUR_MS),
    ['PARTIAL_TIMEOUT closes PARTIAL', ...closed('PARTIAL', 'GRACE_EXPIRED'), 'dlr.partial'],
  ],
  [
    '[D26b]',
    'and what was not accepted without a bill',
    () =>
      new World(2)
        .expected()
        .result(1, 'EXPIRED')
        .past()
        .after(24 * HOUR_MS),
    ['PARTIAL_TIMEOUT closes FAILED', 'aggregated FAILED NOT_SENT', 'webhook FAILED', 'dlr.not_sent'],
  ],
  [
    '[D27a]',
    'one segment is open',
    () => new World(2).submitted().past().receipt('DELETED'),
    [...PASSES, 'RECEIPT', ...NOTED, 'dlr.processed'],
  ],
  ...(
    [
      ['[D27b]', 'DELIVRD', 'DELIVRD', 'DELIVERED'],
      ['[D27c]', 'DELETED', 'DELIVRD', 'FAILED'],
      ['[D27d]', 'REJECTD', 'REJECTD', 'REJECTED'],
      ['[D27e]', 'EXPIRED', 'DELIVRD', 'PARTIAL'],
    ] as const
  ).map(
    ([code, first, second, status]): Row => [
      `${code} [D29]`,
      `${first} and ${second} are ${status}`,
      () => new World(2).submitted().receipt(first).past().receipt(second, { index: 2 }),
      [...PASSES, `RECEIPT closes ${status}`, ...closed(status), ...NOTED, 'dlr.processed'],
    ],
  ),
]

describe('the decisions on receipts, in their order', () => {
  it.each([
    ['{"a":', 'not_json'],
    ['{"schemaVersion":"9.0"}', 'version'],
    ['{"schemaVersion":"1.0"}', 'schema'],
  ])('[D1] %s is a dead letter: %s', (payload, reason) => {
    expect(decode(inboundReceipts, Buffer.from(payload))).toMatchObject({ ok: false, reason })
    expect(POISON['sms.dlr.inbound']).toMatchObject({
      event: 'dlr.validation_failed',
      counter: { name: 'dlr_validation_errors_total' },
    })
  })

  it.each(rows)('%s %s', (_, __, play, told) => {
    const said = play().told()
    expect(said.toSorted()).toEqual(told.toSorted())
  })

  it('DLR-007.5 the time of a receipt counts from when it was found, not from when it came', () => {
    const world = new World().receipt('DELIVRD').after(5000).result(1)
    const facts = world.driver.readOutputs(segmentFacts)
    expect(facts.map(({ at }) => at)).toEqual([START + 5000])
    expect(world.driver.notes.find(({ event }) => event === 'dlr.processed')).toMatchObject({
      at: START + 5000,
    })
    expect(NOTES['dlr.processed'].age.name).toBe('dlr_processing_duration_seconds')
  })
})

/** What the observer of the runtime makes of all notes so far. */
async function observed(world: World) {
  const lines: (readonly [string, string, LogFields?])[] = []
  const at = (level: string) => (event: string, fields?: LogFields) =>
    void lines.push(fields === undefined ? [level, event] : [level, event, fields])
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const metrics = new Metrics()
  observeNotes(
    logger,
    metrics,
    NOTES,
    () => world.driver.now,
  )({ topology: 't', partition: 0 }, world.driver.notes)
  return { lines, text: await metrics.registry.metrics() }
}

describe('what is counted and logged of receipts', () => {
  it('DLR-005.3 DLR-021.2 an orphan counts under both names and in the rate of receipts', async () => {
    const world = new World().submitted().receipt('DELIVRD').receipt('DELIVRD', { index: 404 }).after(6000)
    const { text } = await observed(world)
    expect(text).toContain(`dlr_orphans_total{operator_id="${operatorId}"} 1\n`)
    expect(text).toContain(`dlr_orphan_total{operator_id="${operatorId}"} 1\n`)
    expect(text).toContain('dlr_orphan_rate 50\n')
  })

  it('DLR-010.3 the time of a receipt is measured in the buckets of [M2]', async () => {
    const { text } = await observed(new World().submitted().receipt('DELIVRD'))
    const buckets = [...text.matchAll(/dlr_processing_duration_seconds_bucket\{le="([^"]+)"/g)]
    expect(buckets.map(([, le]) => le)).toEqual(
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1].map(String).concat('+Inf'),
    )
  })

  it('DLR-011.1 the events of the topologies have their levels and fields', async () => {
    const world = new World(2).submitted().receipt('DELIVRD').after(HOUR_MS).receipt('DELIVRD')
    const lost = receiptEventId({
      operatorId,
      operatorMessageId: 'OP-404',
      stat: 'UNDELIV',
      receivedAt: iso(world.driver.now),
    })
    const orphanId = orphanRowId(lost)
    const { lines } = await observed(world.receipt('UNDELIV', { index: 404 }).after(6000))
    const { messageId, accountId } = submitResultExample
    const about = { operatorId, operatorMessageId: 'OP-1' }
    expect(lines).toMatchObject([
      ['info', 'dlr.received', about],
      ['info', 'dlr.correlated', { messageId, accountId, dlrStatus: 'DELIVERED' }],
      ['info', 'dlr.processed', { messageId, dlrStatus: 'DELIVERED', received: 1, expected: 2 }],
      ['info', 'dlr.received', about],
      ['info', 'dlr.correlated', { messageId, accountId, dlrStatus: 'DELIVERED' }],
      ['info', 'dlr.duplicate', { ...about, receiptId: receiptRowId(operatorId, 'OP-1', 'DELIVERED') }],
      ['info', 'dlr.received', {}],
      ['warn', 'dlr.orphaned', { operatorId, orphanId }],
    ])
  })
})
