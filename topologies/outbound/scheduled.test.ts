import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregatedExample, requestExample } from '../../streams/contracts/examples.ts'
import { statusEvents } from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes } from '../../streams/contracts/outcomes.ts'
import { statusEventId } from '../../streams/domain/event-id.ts'
import { messageId, START, unavailable, World } from './testing/outbound.suite.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const DUE = START + 2 * HOUR_MS
const sendAt = new Date(DUE).toISOString()
const expiresAt = new Date(DUE + 48 * HOUR_MS).toISOString()
const later = { sendAt, expiresAt }

const moves = (statuses: readonly { previousStatus: string | null; newStatus: string; seq: number }[]) =>
  statuses.map((event) => `${event.seq} ${event.previousStatus ?? 'none'}>${event.newStatus}`)

const SCHEDULED = '1 none>SCHEDULED'
const CANCELLED = '2 SCHEDULED>CANCELLED'
const SENT = ['2 SCHEDULED>QUEUED', '3 QUEUED>ROUTING', '4 ROUTING>ROUTED', '5 ROUTED>SENT']

const again = (world: World, requestAt: number, cancelAt: number) => {
  world.request(later, { offset: requestAt, at: START })
  world.cancel({}, { offset: cancelAt, at: START + HOUR_MS })
}

function scheduled(): World {
  const world = new World()
  world.request(later)
  return world
}

describe('[T13] a request with sendAt', () => {
  it('ORC-10.1 is SCHEDULED, and nothing is asked or sent before', () => {
    const world = scheduled()
    world.driver.advance(DUE - START - 1)
    const { statuses, commands, facts, retries, deadLetters } = world.emitted()
    expect(moves(statuses)).toEqual([SCHEDULED])
    expect(statuses[0]?.eventId).toBe(statusEventId(messageId, 1))
    expect([commands, facts, retries, deadLetters, world.asked]).toEqual([[], [], [], [], 0])
    expect(world.noted('orch.stage')).toMatchObject([{ stage: 'idempotency', result: 'ok' }])
  })

  it('is dropped a second time, and does not move its instant', () => {
    const world = scheduled()
    world.request({ ...later, sendAt: new Date(DUE + HOUR_MS).toISOString() })
    world.driver.advance(DUE - START)
    expect(moves(world.emitted().statuses)).toEqual([SCHEDULED, ...SENT])
  })

  it('seven days ahead is remembered until then, and 96 h after it', () => {
    const world = new World()
    const far = START + 7 * DAY_MS
    world.request({ sendAt: new Date(far).toISOString(), expiresAt: new Date(far + HOUR_MS).toISOString() })
    world.driver.advance(far - START)
    expect(moves(world.emitted().statuses)).toEqual([SCHEDULED, ...SENT])
    world.driver.advance(96 * HOUR_MS - 1)
    expect(world.driver.rowCount).toBe(1)
    world.driver.advance(1)
    expect(world.driver.rowCount).toBe(0)
  })
})

describe('[T14] the timer at sendAt', () => {
  it('ORC-10.1 goes on as a new message does: QUEUED at the instant asked for, then the command', () => {
    const world = scheduled()
    world.driver.advance(DUE - START)
    const { statuses, commands, facts } = world.emitted()
    expect(moves(statuses)).toEqual([SCHEDULED, ...SENT])
    expect(statuses[1]?.occurredAt).toBe(sendAt)
    expect(statuses.slice(0, 3).map((event) => event.operatorId)).toEqual([undefined, undefined, undefined])
    expect(commands).toMatchObject([{ body: requestExample.body, sendAt, expiresAt, routedAt: sendAt }])
    expect(facts).toMatchObject([{ kind: 'EXPECTED', sentAt: sendAt }])
    expect(world.noted('orch.stage').map(({ stage }) => stage)).toEqual([
      'idempotency',
      'validate',
      'route',
      'publish',
    ])
    expect(JSON.stringify(world.row)).not.toContain(requestExample.body)
  })

  it('[T2] fails what is not valid then, with a dead letter', () => {
    const world = new World()
    world.request({ ...later, expiresAt: sendAt })
    world.driver.advance(DUE - START)
    const { statuses, deadLetters, commands } = world.emitted()
    expect(moves(statuses)).toEqual([SCHEDULED, '2 SCHEDULED>QUEUED', '3 QUEUED>FAILED'])
    expect(deadLetters).toMatchObject([
      { reason: 'validation', failureReason: 'expiresAt is not after sendAt', sendAt, seq: 3 },
    ])
    expect([commands, world.asked]).toEqual([[], 0])
  })

  it('[T7] counts its retries from its own instant', () => {
    const world = new World(unavailable())
    world.request(later)
    world.driver.advance(DUE - START + 60_000)
    const { retries } = world.emitted()
    expect(retries.map(({ failedAt }) => Date.parse(failedAt) - DUE)).toEqual([0, 1000, 3000])
  })

  it('ORC-10.3 fires once, whatever the clock does: set back it waits, far ahead it is due', () => {
    const world = scheduled()
    world.driver.now = START - DAY_MS
    world.driver.advance(HOUR_MS)
    expect(moves(world.emitted().statuses)).toEqual([SCHEDULED])
    world.driver.now = DUE + 3 * DAY_MS
    world.driver.advance(0)
    const { statuses, commands } = world.emitted()
    expect(moves(statuses)).toEqual(SENT)
    expect(statuses[0]?.occurredAt).toBe(sendAt)
    expect(commands).toHaveLength(1)
    world.driver.now = START
    world.driver.advance(4 * DAY_MS)
    expect(world.emitted().commands).toEqual([])
  })

  it.each([
    ['as long again as it was late', 3000, 3000],
    ['10 s at most', HOUR_MS, 10_000],
    ['not at all at its instant', 0, 0],
  ])('waits %s when its request was held up, so that its cancel can arrive', (_, lateMs, waitMs) => {
    const world = new World()
    world.driver.now = DUE + lateMs
    world.request(later)
    if (waitMs > 0) world.driver.advance(waitMs - 1)
    expect(moves(world.emitted().statuses)).toEqual([SCHEDULED])
    world.driver.advance(1)
    expect(world.emitted().commands).toHaveLength(1)
  })
})

describe('[T15] sms.outbound.cancel', () => {
  it('ORC-10.2 makes a SCHEDULED message CANCELLED for good: never asked for, sent or expected', () => {
    const world = scheduled()
    world.driver.advance(HOUR_MS)
    world.cancel()
    world.driver.advance(3 * DAY_MS)
    const { statuses, ...others } = world.emitted()
    expect(moves(statuses)).toEqual([SCHEDULED, CANCELLED])
    expect(statuses[1]?.occurredAt).toBe(new Date(START + HOUR_MS).toISOString())
    expect(Object.values(others).flat()).toEqual([])
    expect(world.asked).toBe(0)
    expect(JSON.stringify(world.row)).not.toContain(requestExample.body)
    expect(JSON.stringify(world.row)).not.toContain(requestExample.to)
  })

  it.each([
    ['just before the instant', DUE - 1, [SCHEDULED, CANCELLED]],
    ['at the instant', DUE, [SCHEDULED, CANCELLED]],
    ['just after the instant', DUE + 1, [SCHEDULED, ...SENT]],
  ])('ORC-10.3 %s has one outcome', (_, at, expected) => {
    const world = scheduled()
    // As the runtime does: before a record come the timers that are due earlier.
    world.driver.advance(at - START - 1)
    world.driver.now = at
    world.cancel()
    world.driver.advance(DAY_MS)
    const { statuses, commands } = world.emitted()
    expect(moves(statuses)).toEqual(expected)
    expect(commands).toHaveLength(expected.length > 2 ? 1 : 0)
  })

  it.each([
    ['SENT', () => scheduled(), 'SENT'],
    ['ROUTING', () => new World(unavailable()), 'ROUTING'],
  ])('[T21] is refused, logged and counted when the message is %s', (_, make, previousStatus) => {
    const world = make()
    if (previousStatus === 'ROUTING') world.request(later)
    world.driver.advance(DUE - START)
    world.emitted()
    const row = JSON.stringify(world.row)
    world.cancel()
    expect(Object.values(world.emitted()).flat()).toEqual([])
    expect(JSON.stringify(world.row)).toBe(row)
    expect(world.noted('orch.illegal_transition')).toEqual([
      { messageId, previousStatus, status: 'CANCELLED' },
    ])
  })

  it('twice is a duplicate', () => {
    const world = scheduled()
    world.cancel()
    world.emitted()
    world.cancel()
    expect(world.emitted().statuses).toEqual([])
    expect(world.noted('orch.stage').at(-1)).toEqual({ stage: 'idempotency', result: 'duplicate' })
    expect(world.noted('orch.illegal_transition')).toEqual([])
  })

  it('of another tenant or account changes nothing, before and after the request', () => {
    const other = '11111111-2222-4333-8444-555555555555'
    for (const changes of [{ tenantId: other }, { accountId: other }]) {
      const after = scheduled()
      after.cancel(changes)
      const before = new World()
      before.cancel(changes)
      before.request(later)
      for (const world of [after, before]) {
        expect(world.noted('orch.illegal_transition')).toHaveLength(1)
        world.driver.advance(DUE - START)
        expect(moves(world.emitted().statuses)).toEqual([SCHEDULED, ...SENT])
      }
    }
  })

  it('before its request is kept for it, also when both come after the instant', () => {
    const world = new World()
    world.driver.now = DUE + HOUR_MS
    world.cancel({ sendAt })
    world.cancel({ sendAt })
    expect(Object.values(world.emitted()).flat()).toEqual([])
    world.request(later)
    world.driver.advance(DAY_MS)
    const { statuses, commands } = world.emitted()
    expect(moves(statuses)).toEqual([SCHEDULED, CANCELLED])
    expect(commands).toEqual([])
  })

  it('without a request is forgotten 96 h after the instant', () => {
    const world = new World()
    world.cancel({ sendAt })
    world.driver.advance(DUE - START + 96 * HOUR_MS - 1)
    expect(world.driver.rowCount).toBe(1)
    world.driver.advance(1)
    expect(world.driver.rowCount).toBe(0)
  })

  it('is remembered until 96 h after the instant: a request that comes once more sends nothing', () => {
    const world = scheduled()
    world.cancel()
    world.driver.advance(DUE - START + 95 * HOUR_MS)
    world.emitted()
    world.request(later)
    world.driver.advance(DAY_MS)
    expect(world.emitted().commands).toEqual([])
  })

  it('of a message without sendAt is refused, and the message goes on', () => {
    const world = new World()
    world.cancel()
    world.request()
    expect(world.emitted().commands).toHaveLength(1)
    expect(world.noted('orch.illegal_transition')).toHaveLength(1)
  })

  it('an outcome of a message that is not sent is refused', () => {
    const world = scheduled()
    world.cancel()
    world.emitted()
    world.driver.pipe(aggregatedOutcomes, aggregatedExample)
    expect(world.emitted().statuses).toEqual([])
    expect(world.noted('orch.illegal_transition')).toHaveLength(1)
  })
})

describe('[P2] read again', () => {
  it('ORC-10.3 request and cancel emit the same bytes, marked, and arm nothing', () => {
    const world = new World()
    const requestAt = world.request(later)
    world.driver.advance(HOUR_MS)
    const cancelAt = world.cancel()
    const first = world.emitted()
    const row = JSON.stringify(world.row)
    again(world, requestAt, cancelAt)
    expect(world.emitted()).toEqual(first)
    expect(JSON.stringify(world.row)).toBe(row)
    again(world, requestAt, cancelAt)
    expect(world.driver.readOutputs(statusEvents).map(({ replayed }) => replayed)).toEqual([true, true])
  })

  it('a request that is still SCHEDULED keeps its instant, and what its timer sends is not marked', () => {
    const world = new World()
    const offset = world.request(later)
    world.driver.advance(HOUR_MS)
    world.request(later, { offset, at: START })
    world.driver.readOutputs(statusEvents)
    world.driver.advance(DUE - START)
    expect(world.driver.readOutputs(statusEvents).map(({ replayed }) => replayed)).toEqual(
      SENT.map(() => false),
    )
  })

  it('what the timer sent is told again, and not sent again: it is marked', () => {
    const world = new World()
    const offset = world.request(later)
    world.driver.advance(DAY_MS)
    const first = world.emitted()
    world.request(later, { offset, at: START })
    expect(world.emitted()).toEqual(first)
    expect(world.asked).toBe(1)
  })
})

describe('whatever the order of request, cancels and time', () => {
  const acts = fc.array(fc.constantFrom('request', 'cancel', 'wait', 'waitLong'), { maxLength: 10 })

  it('ORC-10.3 a message is sent or cancelled, never both, and each at most once', () => {
    fc.assert(
      fc.property(acts, (chosen) => {
        const world = new World()
        const act = {
          request: () => world.request(later),
          cancel: () => world.cancel({ sendAt }),
          wait: () => world.driver.advance(20 * 60_000),
          waitLong: () => world.driver.advance(2 * HOUR_MS),
        }
        for (const one of chosen) act[one]()
        world.driver.advance(DAY_MS)
        const { statuses, commands, facts } = world.emitted()
        const ends = statuses.filter(({ newStatus }) => newStatus === 'SENT' || newStatus === 'CANCELLED')
        expect(ends).toHaveLength(chosen.includes('request') ? 1 : 0)
        expect(commands).toHaveLength(ends.filter(({ newStatus }) => newStatus === 'SENT').length)
        expect(facts).toHaveLength(commands.length)
        expect(statuses.map(({ seq }) => seq)).toEqual(statuses.map((_, index) => index + 1))
      }),
      { numRuns: 300 },
    )
  }, 60_000)
})
