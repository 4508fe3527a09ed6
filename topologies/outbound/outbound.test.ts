import { describe, expect, it } from 'vitest'
import { aggregatedExample, requestExample } from '../../streams/contracts/examples.ts'
import { statusEvents } from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes } from '../../streams/contracts/outcomes.ts'
import {
  commandEventId,
  deadLetterEventId,
  expectedFactEventId,
  retryEventId,
  statusEventId,
} from '../../streams/domain/event-id.ts'
import { OUTCOMES } from '../../streams/domain/statuses.ts'
import {
  absent,
  found,
  messageId,
  operatorId,
  refused,
  START,
  unavailable,
  World,
} from './testing/outbound.suite.ts'

const moves = (statuses: readonly { previousStatus: string | null; newStatus: string; seq: number }[]) =>
  statuses.map((event) => `${event.seq} ${event.previousStatus ?? 'none'}>${event.newStatus}`)
const HOUR_MS = 3_600_000

describe('a request with a route ([T1], [T3], [T4], [T9])', () => {
  it('ORC-4.3 ORC-4.7 ORC-4.10 goes QUEUED, ROUTING, ROUTED, SENT, one status event each', () => {
    const world = new World()
    world.request()
    const { statuses } = world.emitted()
    expect(moves(statuses)).toEqual([
      '1 none>QUEUED',
      '2 QUEUED>ROUTING',
      '3 ROUTING>ROUTED',
      '4 ROUTED>SENT',
    ])
    expect(statuses.map((event) => event.eventId)).toEqual(
      [1, 2, 3, 4].map((seq) => statusEventId(messageId, seq)),
    )
    expect(statuses.map((event) => [event.operatorId, event.routeId])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
      [operatorId, 'rt-44-a'],
      [operatorId, 'rt-44-a'],
    ])
  })

  it('ORC-4.8 emits the command with the text as it came', () => {
    const world = new World()
    world.request()
    const at = new Date(START).toISOString()
    expect(world.emitted().commands).toEqual([
      {
        ...requestExample,
        eventId: commandEventId(messageId, 4),
        occurredAt: at,
        longMessageStrategy: 'CSMS',
        operatorId,
        routeId: 'rt-44-a',
        routedAt: at,
      },
    ])
  })

  it('tells the aggregation what to expect, in the same transaction', () => {
    const world = new World()
    world.request()
    const { messageId: id, tenantId, accountId, to, metadata, enqueuedAt } = requestExample
    const at = new Date(START).toISOString()
    expect(world.emitted().facts).toEqual([
      {
        schemaVersion: '1.0',
        eventId: expectedFactEventId(messageId, 4),
        occurredAt: at,
        kind: 'EXPECTED',
        messageId: id,
        tenantId,
        accountId,
        to,
        operatorId,
        segmentCount: 1,
        expectedSegments: 1,
        sentAt: at,
        enqueuedAt,
        metadata,
      },
    ])
  })

  it('expects one segment of a long text when its operator takes long messages whole', () => {
    const world = new World(found, { strategyOf: () => 'TLV' })
    world.request({ body: 'a'.repeat(161), segmentCount: 2 })
    const { facts, commands } = world.emitted()
    expect(facts).toMatchObject([{ segmentCount: 2, expectedSegments: 1 }])
    expect(commands).toMatchObject([{ longMessageStrategy: 'TLV' }])
  })

  it('ORC-4.4 asks for the route by the named fields', () => {
    const world = new World()
    world.request()
    const { tenantId, accountId, to, from, messageType } = requestExample
    expect(world.questions).toEqual([
      { lookup: 'route', key: messageId, about: { messageId, tenantId, accountId, to, from, messageType } },
    ])
  })

  it('keeps neither text nor numbers after the command is written', () => {
    const world = new World()
    world.request()
    expect(JSON.stringify(world.row)).not.toContain(requestExample.body)
    expect(JSON.stringify(world.row)).not.toContain(requestExample.to)
  })

  it('is forgotten 96 h after its last transition', () => {
    const world = new World()
    world.request()
    world.driver.advance(96 * HOUR_MS - 1)
    expect(world.driver.rowCount).toBe(1)
    world.driver.advance(1)
    expect(world.driver.rowCount).toBe(0)
  })
})

describe('a request that cannot be sent', () => {
  it.each([
    ['to', { to: '447700900123' }],
    ['from', { from: 'A NAME TOO LONG' }],
    ['body', { body: '' }],
    ['body', { body: 'x'.repeat(1601), segmentCount: 11 }],
    ['encoding', { encoding: 'UCS2' as const }],
    ['segmentCount', { segmentCount: 2 }],
    ['expiresAt', { expiresAt: requestExample.enqueuedAt }],
  ])('[T2] ORC-4.2 fails without a question or a retry for its %s', (field, changes) => {
    const world = new World()
    world.request(changes)
    const { statuses, deadLetters, commands, retries, facts } = world.emitted()
    expect(moves(statuses)).toEqual(['1 none>QUEUED', '2 QUEUED>FAILED'])
    expect(statuses[1]?.error?.code).toBe('validation')
    expect(statuses[1]?.error?.detail).toContain(field)
    expect(deadLetters).toMatchObject([
      {
        eventId: deadLetterEventId(messageId, 2),
        reason: 'validation',
        finalStatus: 'FAILED',
        seq: 2,
        attemptCount: 0,
      },
    ])
    expect([commands, retries, facts, world.asked]).toEqual([[], [], [], 0])
  })

  it.each([
    ['[T5] ORC-4.5', absent, 'no_route', 'NOT_FOUND'],
    ['[T6]', refused, 'validation', 'INVALID_ARGUMENT'],
  ] as const)('%s fails with a dead letter and no retry', (_, reply, reason, code) => {
    const world = new World(reply)
    world.request()
    const { statuses, deadLetters, retries } = world.emitted()
    expect(moves(statuses)).toEqual(['1 none>QUEUED', '2 QUEUED>ROUTING', '3 ROUTING>FAILED'])
    expect(deadLetters).toMatchObject([
      { reason, failureReason: `routing-engine ${code}`, finalStatus: 'FAILED', seq: 3 },
    ])
    expect(retries).toEqual([])
    expect(world.noted('orch.routing_error')).toEqual([{ grpcCode: code }])
  })

  it.each([
    [
      'does not fit its schema',
      (at: number) => ({ kind: 'found' as const, value: { operatorId: 'Roshan', routeId: 'r' }, at }),
      {},
    ],
    [
      'is larger than 900 KiB',
      found,
      { metadata: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, 'x'.repeat(25_000)])) },
    ],
  ])('[T10] is a dead letter when its command %s', (_, reply, changes) => {
    const world = new World(reply)
    world.request(changes)
    const { statuses, deadLetters, commands, facts } = world.emitted()
    expect(moves(statuses).slice(2)).toEqual(['3 ROUTING>ROUTED', '4 ROUTED>DEAD_LETTER'])
    expect(deadLetters).toMatchObject([{ reason: 'publish_fail', finalStatus: 'DEAD_LETTER', seq: 4 }])
    expect([commands, facts]).toEqual([[], []])
  })

  it('[T9] sends a command just below 900 KiB', () => {
    const world = new World()
    world.request({ metadata: { k: 'x'.repeat(900 * 1024 - 2000) } })
    expect(world.emitted().commands).toHaveLength(1)
  })
})

describe('a transient failure ([T7], [T8])', () => {
  it('ORC-5.1 is retried after 1, 2 and 4 s, then given up', () => {
    const world = new World(unavailable())
    world.request()
    world.driver.advance(60_000)
    const { statuses, retries, deadLetters } = world.emitted()
    expect(moves(statuses)).toEqual([
      '1 none>QUEUED',
      '2 QUEUED>ROUTING',
      '3 ROUTING>ROUTING',
      '4 ROUTING>ROUTING',
      '5 ROUTING>ROUTING',
      '6 ROUTING>DEAD_LETTER',
    ])
    expect(statuses.map((event) => event.attemptCount)).toEqual([0, 0, 1, 2, 3, 3])
    const delays = retries.map((retry) => Date.parse(retry.nextAttemptAt) - Date.parse(retry.failedAt))
    expect(delays).toEqual([1000, 2000, 4000])
    expect(retries.map((retry) => Date.parse(retry.failedAt) - START)).toEqual([0, 1000, 3000])
    expect(retries.map((retry) => retry.eventId)).toEqual(
      [3, 4, 5].map((seq) => retryEventId(messageId, seq)),
    )
    expect(deadLetters).toMatchObject([
      { reason: 'max_attempts', attemptCount: 3, failureReason: 'routing-engine UNAVAILABLE', seq: 6 },
    ])
    expect(world.asked).toBe(4)
  })

  it('ORC-5.1 waits from the failure and not from the record, so that a backlog does not spend all retries at once', () => {
    const world = new World(unavailable())
    world.driver.now = START + HOUR_MS
    world.request({}, { at: START })
    world.driver.advance(999)
    expect(world.asked).toBe(1)
    world.driver.advance(1)
    expect(world.asked).toBe(2)
    world.driver.advance(1999)
    expect(world.asked).toBe(2)
    expect(world.emitted().retries).toMatchObject([
      { failedAt: new Date(START + HOUR_MS).toISOString() },
      { failedAt: new Date(START + HOUR_MS + 1000).toISOString() },
    ])
  })

  it.each([
    'UNAVAILABLE',
    'DEADLINE_EXCEEDED',
    'RESOURCE_EXHAUSTED',
    'INTERNAL',
    'circuit_open',
    'DATA_LOSS',
  ])('[O6] ORC-4.6 %s is transient, and the retry names it', (reason) => {
    const world = new World(unavailable(reason))
    world.request()
    const { retries, statuses } = world.emitted()
    expect(retries).toMatchObject([{ attempt: 1, reason }])
    expect(statuses.at(-1)?.error).toMatchObject({ code: reason })
  })

  it('[O6] an answer without an operator is transient', () => {
    const world = new World((at) => ({ kind: 'found', value: { operatorId: '', routeId: '' }, at }))
    world.request()
    expect(world.emitted().retries).toMatchObject([{ reason: 'EMPTY_OPERATOR' }])
  })

  it('ORC-4.6 sends the message when a retry finds a route', () => {
    const world = new World(unavailable())
    world.request()
    world.reply = found
    world.driver.advance(1000)
    const { statuses, commands, facts } = world.emitted()
    expect(moves(statuses).slice(2)).toEqual(['3 ROUTING>ROUTING', '4 ROUTING>ROUTED', '5 ROUTED>SENT'])
    expect(statuses.at(-1)).toMatchObject({
      attemptCount: 1,
      occurredAt: new Date(START + 1000).toISOString(),
    })
    expect(commands).toMatchObject([{ eventId: commandEventId(messageId, 5), body: requestExample.body }])
    expect(facts).toHaveLength(1)
    world.driver.advance(60_000)
    expect(world.asked).toBe(2)
  })

  it('PLT-7 does not hold up another message', () => {
    const world = new World((at, call) => (call === 1 ? unavailable()(at, call) : found(at, call)))
    world.request()
    world.request({ messageId: '9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d' })
    expect(world.emitted().commands).toMatchObject([{ messageId: '9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d' }])
  })
})

describe('the outcome [T11]', () => {
  it.each(OUTCOMES)('takes SENT to %s, once', (status) => {
    const world = new World()
    world.request()
    world.emitted()
    world.driver.pipe(aggregatedOutcomes, { ...aggregatedExample, status }, { at: START + 6000 })
    const { statuses, deadLetters } = world.emitted()
    expect(moves(statuses)).toEqual([`5 SENT>${status}`])
    expect(statuses).toMatchObject([
      { operatorId, routeId: 'rt-44-a', occurredAt: new Date(START + 6000).toISOString() },
    ])
    expect(deadLetters).toEqual([])
  })

  it('is refused, logged and counted for a message that was never sent', () => {
    const world = new World(absent)
    world.request()
    world.emitted()
    world.driver.pipe(aggregatedOutcomes, aggregatedExample)
    expect(world.emitted().statuses).toEqual([])
    expect(world.noted('orch.illegal_transition')).toEqual([
      { messageId, previousStatus: 'FAILED', status: 'DELIVERED' },
    ])
  })

  // Read again after the rows were forgotten, the simulation's seed 298: the retry was then armed
  // for a row without a request, and stopped the partition for good.
  it.each(OUTCOMES)('is refused while a retry is waited for, which goes on: %s', (status) => {
    const world = new World(unavailable())
    world.request()
    world.emitted()
    world.reply = found
    world.driver.pipe(aggregatedOutcomes, { ...aggregatedExample, status }, { at: START + 10 })
    expect(world.emitted().statuses).toEqual([])
    expect(world.noted('orch.illegal_transition')).toHaveLength(1)
    world.driver.advance(60_000)
    expect(moves(world.emitted().statuses).at(-1)).toMatch(/ROUTED>SENT/)
  })

  it('is refused for a message that is not known', () => {
    const world = new World()
    world.driver.pipe(aggregatedOutcomes, aggregatedExample)
    expect(world.driver.read(statusEvents)).toEqual([])
    expect(world.driver.rowCount).toBe(0)
    expect(world.noted('orch.illegal_transition')).toHaveLength(1)
  })
})

describe('what is counted and logged', () => {
  it('notes every transition and every step of the pipeline, with no personal data', () => {
    const world = new World()
    world.request()
    expect(world.noted('orch.stage')).toMatchObject(
      ['idempotency', 'validate', 'route', 'publish'].map((stage) => ({ stage, result: 'ok' })),
    )
    const { tenantId } = requestExample
    expect(world.noted('orch.transition')).toEqual([
      { messageId, tenantId, previousStatus: 'none', status: 'QUEUED', attempt: 0 },
      { messageId, tenantId, previousStatus: 'QUEUED', status: 'ROUTING', attempt: 0 },
      { messageId, tenantId, operatorId, previousStatus: 'ROUTING', status: 'ROUTED', attempt: 0 },
      { messageId, tenantId, operatorId, previousStatus: 'ROUTED', status: 'SENT', attempt: 0 },
    ])
    expect(JSON.stringify(world.driver.notes)).not.toContain(requestExample.to)
  })

  it('notes retries by number and the dead letter by reason', () => {
    const world = new World(unavailable())
    world.request()
    world.driver.advance(60_000)
    expect(world.noted('orch.retry').map((fields) => fields['attempt'])).toEqual([1, 2, 3])
    expect(world.noted('orch.dead_letter')).toMatchObject([
      { messageId, status: 'DEAD_LETTER', attempt: 3, reason: 'max_attempts' },
    ])
    expect(world.noted('orch.stage').filter(({ result }) => result !== 'ok')).toMatchObject([
      { stage: 'route', result: 'transient' },
      { stage: 'route', result: 'transient' },
      { stage: 'route', result: 'transient' },
      { stage: 'route', result: 'fail' },
    ])
  })
})
