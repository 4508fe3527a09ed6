import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inboundReceiptExample, requestExample } from '../streams/contracts/examples.ts'
import {
  dispatchCommands,
  outboundDeadLetters,
  outboundRequests,
  outboundRetries,
  statusEvents,
  submitResults,
  type DispatchCommand,
  type OutboundRequest,
  type SubmitResult,
} from '../streams/contracts/outbound.ts'
import { operatorQuality } from '../streams/contracts/operators.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../streams/contracts/outcomes.ts'
import { ROUTE_LOOKUP, type ReadingProgress } from '../streams/contracts/lookups.ts'
import type { Answer } from '../streams/contracts/question.ts'
import {
  dlrRecords,
  inboundReceipts,
  receiptLookups,
  segmentFacts,
  sentSegments,
  unmatchedReceipts,
  type InboundReceipt,
} from '../streams/contracts/receipts.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import { receiptEventId, submitResultEventId } from '../streams/domain/event-id.ts'
import { segmentCount } from '../streams/domain/message/text-segments.ts'
import { Driver } from '../streams/testing/driver.ts'
import { allTopologies } from './all.ts'
import { NOTES } from './notes.ts'

/**
 * All topologies together, between an API that is a list of requests and an operator that the
 * property invents.
 */

const START = Date.parse('2026-04-18T10:23:40.020Z')
const HOUR_MS = 3_600_000
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const iso = (ms: number): string => new Date(ms).toISOString()

const OUTPUTS: readonly Topic<unknown>[] = [
  statusEvents,
  outboundRetries,
  outboundDeadLetters,
  dispatchCommands,
  segmentFacts,
  sentSegments,
  receiptLookups,
  dlrRecords,
  unmatchedReceipts,
  aggregatedOutcomes,
  billingEvents,
  webhookEvents,
  operatorQuality,
]

type Told = { readonly topic: string; readonly json: string; readonly replayed: boolean }
type Piped = {
  readonly at: number
  readonly offset: number
  readonly again: (offset: number, at: number) => void
}

/** What the operator does with one segment. Times are ms after the submission. */
interface Fate {
  readonly refused: boolean
  /** Receipts: status word and delay; a delay below 0 is before the submit result is on the log. */
  readonly receipts: readonly { readonly stat: string; readonly afterMs: number; readonly times: number }[]
}

/** In the driver nobody lags: what was piped has been read by all. */
const NOTHING_TO_READ: ReadingProgress = { ends: [], read: [] }

class Platform {
  readonly driver: Driver
  readonly told: Told[] = []
  readonly piped: Piped[] = []
  readonly keys = new Set<string>()

  constructor(answer: (call: number, at: number) => Answer<unknown>) {
    let calls = 0
    this.driver = new Driver(allTopologies({ rulesOf: () => ['exact'] }), {
      now: START,
      answer: ({ lookup }, at) =>
        lookup === ROUTE_LOOKUP ? answer((calls += 1), at) : { kind: 'found', value: NOTHING_TO_READ, at },
    })
  }

  request(request: OutboundRequest): void {
    this.keys.add(`messages/${request.messageId}`).add(`aggregates/${request.messageId}`)
    this.#pipe(outboundRequests, request)
  }

  result(result: SubmitResult): void {
    this.#pipe(submitResults, result)
  }

  receipt(receipt: InboundReceipt): void {
    const key = `${receipt.operatorId}:${receipt.operatorMessageId}`
    this.keys.add(`receipts/${key}`).add(`sent/${key}`)
    this.#pipe(inboundReceipts, receipt)
  }

  #pipe<V>(topic: Topic<V>, value: V): void {
    const again = (offset: number, at: number) => void this.driver.pipe(topic, value, { offset, at })
    this.piped.push({ at: this.driver.now, offset: this.driver.pipe(topic, value), again })
  }

  /** Commands that an operator may see: those that no replay has written. */
  take(): DispatchCommand[] {
    const commands: DispatchCommand[] = []
    for (const topic of OUTPUTS) {
      for (const { value, replayed } of this.driver.readOutputs(topic)) {
        this.told.push({ topic: topic.name, json: JSON.stringify(value), replayed })
        const command = topic === dispatchCommands && !replayed && dispatchCommands.schema.safeParse(value)
        if (command && command.success) commands.push(command.data)
      }
    }
    return commands
  }

  rows(): string {
    return [...this.keys]
      .map((id) => [id, this.driver.row(id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1))])
      .map((row) => JSON.stringify(row))
      .join('\n')
  }

  read<V>(topic: Topic<V>): V[] {
    return this.told.flatMap(({ topic: name, json }) =>
      name === topic.name ? [topic.schema.parse(JSON.parse(json))] : [],
    )
  }
}

/**
 * Lets everything happen that the operator has in mind for its commands, in time order, then a day
 * of silence.
 */
function deliver(platform: Platform, fates: readonly Fate[]): void {
  const events: { at: number; happen: () => void }[] = []
  for (const command of platform.take()) {
    for (let index = 1; index <= command.segmentCount; index += 1) {
      const fate = fates[(index - 1) % fates.length]
      if (fate !== undefined) events.push(...segmentLife(platform, command, index, fate))
    }
  }
  for (const { at, happen } of events.toSorted((a, b) => a.at - b.at)) {
    platform.driver.advance(Math.max(0, at - platform.driver.now))
    happen()
  }
  platform.driver.advance(25 * HOUR_MS)
  platform.take()
}

function segmentLife(platform: Platform, command: DispatchCommand, segmentIndex: number, fate: Fate) {
  const submittedMs = Date.parse(command.routedAt) + 100
  const operatorMessageId = `${command.messageId.slice(0, 8)}-${segmentIndex}`
  const outcome = fate.refused ? ('REJECTED' as const) : ('ACCEPTED' as const)
  const cause = {
    messageId: command.messageId,
    segmentIndex,
    operatorId,
    outcome,
    ...(!fate.refused && { operatorMessageId }),
  }
  const result: SubmitResult = {
    schemaVersion: '1.0',
    eventId: submitResultEventId(cause),
    occurredAt: iso(submittedMs),
    ...cause,
    tenantId: command.tenantId,
    accountId: command.accountId,
    totalSegments: command.segmentCount,
    submittedAt: iso(submittedMs),
    to: command.to,
    enqueuedAt: command.enqueuedAt,
    segmentCount: command.segmentCount,
  }
  const life = [{ at: submittedMs, happen: () => platform.result(result) }]
  if (fate.refused) return life
  for (const { stat, afterMs, times } of fate.receipts) {
    const receivedAt = iso(submittedMs + afterMs)
    const said = { operatorId, operatorMessageId, stat, receivedAt }
    const receipt = {
      ...inboundReceiptExample,
      ...said,
      eventId: receiptEventId(said),
      occurredAt: receivedAt,
    }
    for (let i = 0; i < times; i += 1)
      life.push({ at: submittedMs + afterMs, happen: () => platform.receipt(receipt) })
  }
  return life
}

const found = (_: number, at: number): Answer<unknown> => ({
  kind: 'found',
  value: { operatorId, routeId: 'rt-44-a' },
  at,
})
const delivered: Fate = { refused: false, receipts: [{ stat: 'DELIVRD', afterMs: 6000, times: 1 }] }

const requestOf = (n: number, segments: number): OutboundRequest => {
  const body = 'x'.repeat(segments === 1 ? 20 : segments * 153)
  const messageId = `${String(n).padStart(8, '0')}-8a53-4c1d-9a5e-0d7a52c4b1e7`
  return { ...requestExample, messageId, body, segmentCount: segmentCount(body) }
}

describe('a message through all topologies', () => {
  it('goes from the request to one DELIVERED, one bill and one webhook', () => {
    const platform = new Platform(found)
    platform.request(requestOf(1, 2))
    deliver(platform, [delivered])
    expect(platform.read(statusEvents).map((event) => event.newStatus)).toEqual([
      'QUEUED',
      'ROUTING',
      'ROUTED',
      'SENT',
      'DELIVERED',
    ])
    expect(platform.read(billingEvents)).toMatchObject([
      { dlrStatus: 'DELIVERED', segmentCount: 2, deliveredSegments: 2 },
    ])
    expect(platform.read(webhookEvents)).toMatchObject([{ dlrStatus: 'DELIVERED' }])
    expect(platform.read(unmatchedReceipts)).toEqual([])
  })

  it('[F10] [D26b] ends as FAILED and is not billed, when its command reaches nobody', () => {
    const platform = new Platform(found)
    platform.request(requestOf(1, 2))
    deliver(platform, [])
    expect(platform.read(statusEvents).at(-1)).toMatchObject({ newStatus: 'FAILED', seq: 5 })
    expect(platform.read(billingEvents)).toEqual([])
    expect(platform.read(webhookEvents)).toMatchObject([{ dlrStatus: 'FAILED' }])
  })

  it('[SC15] is told of its operator: delivered, six seconds after the submit', () => {
    const platform = new Platform(found)
    platform.request(requestOf(1, 2))
    deliver(platform, [delivered])
    expect(platform.read(operatorQuality)[0]).toMatchObject({
      operatorId,
      receipts: 2,
      orphanPercent: 0,
      deliveredPercent: 100,
      latencyP50Ms: 10_000,
    })
  })

  it('[F14] DLR-015.4 a receipt repeated for a day neither bills nor calls twice', () => {
    const platform = new Platform(found)
    platform.request(requestOf(1, 1))
    const repeats = [6000, 20_000, 90_000, HOUR_MS, 20 * HOUR_MS]
    deliver(platform, [
      { refused: false, receipts: repeats.map((afterMs) => ({ stat: 'DELIVRD', afterMs, times: 2 })) },
    ])
    expect(platform.read(billingEvents)).toHaveLength(1)
    expect(platform.read(webhookEvents)).toHaveLength(1)
    expect(platform.read(dlrRecords)).toHaveLength(1)
  })

  it('[P4] a replay of everything sends nothing', () => {
    const platform = new Platform(found)
    platform.request(requestOf(1, 1))
    deliver(platform, [delivered])
    for (const { again, offset, at } of platform.piped) again(offset, at)
    expect(platform.take()).toEqual([])
    expect(
      platform.told.filter(({ topic, replayed }) => topic === dispatchCommands.name && replayed),
    ).toHaveLength(1)
  })
})

const STATS = ['DELIVRD', 'UNDELIV', 'REJECTD', 'EXPIRED', 'DELETED', 'ACCEPTD', 'ENROUTE']
/**
 * With the day of silence this stays within 72 h. What is older is forgotten and, read again, would
 * be new [P5].
 */
const DELAYS = [-5000, -50, 1000, 1000, 6000, 70_000, HOUR_MS, 23 * HOUR_MS, 30 * HOUR_MS]
const fate: fc.Arbitrary<Fate> = fc.record({
  refused: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  receipts: fc.array(
    fc.record({
      stat: fc.constantFrom(...STATS),
      afterMs: fc.constantFrom(...DELAYS),
      times: fc.integer({ min: 1, max: 2 }),
    }),
    { maxLength: 3 },
  ),
})
const world = fc.record({
  messages: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 4 }),
  answers: fc.array(fc.constantFrom('found', 'found', 'found', 'unavailable', 'absent'), { maxLength: 8 }),
})

function run({ messages, fates, answers }: typeof world extends fc.Arbitrary<infer W> ? W : never): Platform {
  const platform = new Platform((call, at) => {
    const kind = answers[call - 1] ?? 'found'
    if (kind === 'found') return found(call, at)
    return kind === 'absent' ? { kind, at } : { kind: 'unavailable', reason: 'UNAVAILABLE', at }
  })
  for (const [n, segments] of messages.entries()) platform.request(requestOf(n, segments))
  platform.driver.advance(10_000)
  deliver(platform, fates)
  return platform
}

const byMessage = <E extends { messageId: string }>(events: readonly E[], n: number): E[] =>
  events.filter((event) => event.messageId === requestOf(n, 1).messageId)

describe('whatever operators and routing do', () => {
  it('every message ends once, with seq without gaps, and one bill if and only if it was sent', () => {
    fc.assert(
      fc.property(world, (given) => {
        const platform = run(given)
        const [statuses, bills] = [platform.read(statusEvents), platform.read(billingEvents)]
        const [outcomes, webhooks] = [platform.read(aggregatedOutcomes), platform.read(webhookEvents)]
        for (const n of given.messages.keys()) {
          const path = byMessage(statuses, n)
          expect(path.map((event) => event.seq)).toEqual(path.map((_, index) => index + 1))
          const sent = path.some((event) => event.newStatus === 'SENT') ? 1 : 0
          expect(byMessage(bills, n)).toHaveLength(sent)
          expect(byMessage(outcomes, n)).toHaveLength(sent)
          expect(byMessage(webhooks, n).filter((event) => event.dlrStatus !== 'UNKNOWN')).toHaveLength(sent)
          expect(byMessage(webhooks, n).length).toBeLessThanOrEqual(2 * sent)
          expect(['SENT', 'ROUTING', 'ROUTED', 'QUEUED']).not.toContain(path.at(-1)?.newStatus)
        }
        expect(platform.driver.notes.filter((note) => note.event === 'orch.illegal_transition')).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('[P1] [P2] [P3] reading everything again emits known bytes, all of them marked, and leaves every row as it is', () => {
    fc.assert(
      fc.property(world, (given) => {
        const platform = run(given)
        const rows = platform.rows()
        const known = new Set(platform.told.map(({ topic, json }) => `${topic} ${json}`))
        const before = platform.told.length
        for (const { again, offset, at } of platform.piped) again(offset, at)
        platform.take()
        const repeated = platform.told.slice(before)
        expect(repeated.length).toBeGreaterThan(0)
        expect(repeated.filter(({ topic, json }) => !known.has(`${topic} ${json}`))).toEqual([])
        expect(repeated.filter(({ replayed }) => !replayed)).toEqual([])
        expect(platform.rows()).toBe(rows)
      }),
      { numRuns: 300 },
    )
  })
})

interface NoteRule {
  readonly level?: string
  readonly counters?: readonly { readonly labels: readonly string[] }[]
  readonly gauges?: readonly { readonly labels: readonly string[]; readonly of: string }[]
}

describe('notes', () => {
  it('are all declared, with every field that their counters need and no personal data', () => {
    const platform = new Platform(found)
    platform.request(requestOf(1, 2))
    const stats = ['ACCEPTD', 'DELIVRD', 'DELIVRD', 'UNDELIV']
    const receipts = stats.map((stat, i) => ({ stat, afterMs: 1000 + i * 70_000, times: 2 }))
    deliver(platform, [{ refused: false, receipts }])
    const rules: Readonly<Record<string, NoteRule>> = NOTES
    for (const { event, fields } of platform.driver.notes) {
      expect(Object.keys(rules)).toContain(event)
      const { counters = [], gauges = [] } = rules[event] ?? {}
      const labels = [...counters, ...gauges].flatMap((metric) => metric.labels)
      const names = labels.map((label) =>
        label.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      )
      for (const name of [...names, ...gauges.map(({ of }) => of)]) expect(fields).toHaveProperty(name)
    }
    const said = JSON.stringify(platform.driver.notes)
    for (const secret of [requestExample.to, requestExample.from, 'xxxx', 'camp-001'])
      expect(said).not.toContain(secret)
    expect(new Set(platform.driver.notes.map((note) => note.event)).size).toBeGreaterThan(7)
  })
})
