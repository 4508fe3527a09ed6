import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregatedExample, deadLetterExample } from '../../streams/contracts/examples.ts'
import { statusEvents } from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes } from '../../streams/contracts/outcomes.ts'
import { canMove } from '../../streams/domain/message/lifecycle.ts'
import { deadLetterEventId, requestEventId } from '../../streams/domain/event-id.ts'
import {
  absent,
  found,
  messageId,
  refused,
  START,
  unavailable,
  World,
  type Reply,
} from './testing/outbound.suite.ts'

const replayHeader = (seq: number) => ({
  'dead-letter-replay': `${deadLetterEventId(messageId, seq)}:${seq}`,
})
const HOUR_MS = 3_600_000

function given(replies: readonly Reply[]): World {
  return new World((at, call) => (replies[call - 1] ?? found)(at, call))
}

/** A message that was given up at seq 6, and an engine that answers again. */
function dead(): World {
  const world = new World(unavailable())
  world.request()
  world.driver.advance(60_000)
  world.emitted()
  world.reply = found
  return world
}

describe('a request read again [O4]', () => {
  it('ORC-4.1 [P2] emits the same bytes as the first time, the retries of its timer included', () => {
    const world = given([unavailable(), unavailable('INTERNAL'), found])
    const offset = world.request()
    world.driver.advance(60_000)
    const first = world.emitted()
    const row = JSON.stringify(world.row)
    world.request({}, { offset, at: START })
    expect(world.emitted()).toEqual(first)
    expect(JSON.stringify(world.row)).toBe(row)
    expect(world.asked).toBe(3)
  })

  it('[P3] is marked as replayed, and not counted again', () => {
    const world = new World()
    const offset = world.request()
    world.emitted()
    const notes = world.driver.notes.length
    world.request({}, { offset, at: START })
    expect(world.driver.readOutputs(statusEvents).map((output) => output.replayed)).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(world.driver.notes).toHaveLength(notes)
  })

  it('ORC-5.2 while a retry is pending neither asks nor moves the retry', () => {
    const world = given([unavailable(), found])
    const offset = world.request()
    world.driver.advance(500)
    world.request({}, { offset, at: START })
    expect(world.asked).toBe(1)
    world.emitted()
    world.driver.advance(500)
    expect(world.emitted().commands).toHaveLength(1)
  })

  it('[P5] after its state is gone is new, but stays marked', () => {
    const world = new World()
    const offset = world.request()
    world.driver.advance(97 * HOUR_MS)
    world.emitted()
    world.request({}, { offset, at: START })
    expect(world.driver.readOutputs(statusEvents).map((output) => output.replayed)).toEqual([
      true,
      true,
      true,
      true,
    ])
  })
})

describe('another request of the same message [O4]', () => {
  it.each([
    ['SENT', [found]],
    ['ROUTING', [unavailable()]],
    ['FAILED', [absent]],
  ] as const)('ORC-4.1 is dropped and counted in state %s', (_, replies) => {
    const world = given(replies)
    world.request()
    world.emitted()
    const row = JSON.stringify(world.row)
    world.request()
    expect(Object.values(world.emitted()).flat()).toEqual([])
    expect(JSON.stringify(world.row)).toBe(row)
    expect(world.noted('orch.stage').at(-1)).toEqual({ stage: 'idempotency', result: 'duplicate' })
  })
})

describe('a dead-letter replay [T12]', () => {
  it('goes on from the seq of the dead letter, with attempts from 0 and 48 h to live', () => {
    const world = dead()
    world.request({}, { headers: replayHeader(6) })
    const { statuses, commands } = world.emitted()
    expect(statuses).toMatchObject([
      { seq: 7, previousStatus: 'DEAD_LETTER', newStatus: 'ROUTING', attemptCount: 0 },
      { seq: 8, previousStatus: 'ROUTING', newStatus: 'ROUTED' },
      { seq: 9, previousStatus: 'ROUTED', newStatus: 'SENT' },
    ])
    expect(commands).toMatchObject([{ expiresAt: new Date(START + 60_000 + 48 * HOUR_MS).toISOString() }])
  })

  it('is taken once: the same order at another position is a duplicate', () => {
    const world = dead()
    world.reply = unavailable()
    world.request({}, { headers: replayHeader(6) })
    world.driver.advance(60_000)
    world.emitted()
    world.request({}, { headers: replayHeader(6) })
    expect(world.emitted().statuses).toEqual([])
    world.request({}, { headers: replayHeader(11) })
    expect(world.emitted().statuses[0]).toMatchObject({ seq: 12, newStatus: 'ROUTING' })
  })

  it('read again emits the same bytes, and so does the request before it', () => {
    const world = dead()
    const offset = world.request({}, { headers: replayHeader(6) })
    const first = world.emitted()
    world.request({}, { headers: replayHeader(6), offset })
    expect(world.emitted()).toEqual(first)
    world.request({}, { offset: 0, at: START })
    expect(world.emitted().statuses.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('works when the message is not known any more', () => {
    const world = new World()
    world.request({}, { headers: replayHeader(6) })
    expect(world.emitted().statuses.map((event) => event.seq)).toEqual([7, 8, 9])
  })

  it.each([
    ['a message that was sent', 4],
    ['a seq that is not the last', 3],
  ])('is dropped for %s', (_, seq) => {
    const world = seq === 4 ? new World() : dead()
    if (seq === 4) world.request()
    world.emitted()
    world.request({}, { headers: replayHeader(seq) })
    expect(world.emitted().statuses).toEqual([])
  })

  it.each(['', 'x', `${deadLetterExample.eventId}:7`, `${requestEventId(messageId)}:6`])(
    'is no replay when its header says "%s"',
    (header) => {
      const world = dead()
      world.request({}, { headers: { 'dead-letter-replay': header } })
      expect(world.emitted().statuses).toEqual([])
    },
  )
})

describe('an outcome read again', () => {
  it('is repeated unchanged, whether the record or the topology before it was read again', () => {
    const world = new World()
    world.request()
    world.emitted()
    const offset = world.driver.pipe(aggregatedOutcomes, aggregatedExample, { at: START + 6000 })
    const first = world.emitted()
    world.driver.pipe(aggregatedOutcomes, aggregatedExample, { offset, at: START + 6000 })
    expect(world.emitted()).toEqual(first)
    world.driver.pipe(aggregatedOutcomes, aggregatedExample, { headers: { replayed: '1' } })
    expect(world.emitted()).toEqual(first)
    expect(world.noted('orch.illegal_transition')).toEqual([])
  })
})

/** All that can happen to one message, in an order that the property chooses. */
class Session {
  readonly world: World
  readonly piped: { offset: number; at: number; headers: Record<string, string> }[]
  constructor(replies: readonly Reply[]) {
    this.world = given(replies)
    this.piped = [{ offset: this.world.request(), at: START, headers: {} }]
  }
  again = () => this.world.request({}, this.piped[0])
  duplicate = () => this.world.request()
  wait = () => this.world.driver.advance(700)
  waitLong = () => this.world.driver.advance(5000)
  outcome = () => this.world.driver.pipe(aggregatedOutcomes, aggregatedExample)
  replay = () => {
    const headers = replayHeader(seqOf(this.world))
    this.piped.push({ at: this.world.driver.now, headers, offset: this.world.request({}, { headers }) })
  }
}
type Act = Exclude<keyof Session, 'world' | 'piped'>
const ACTS: readonly Act[] = ['again', 'duplicate', 'wait', 'waitLong', 'outcome', 'replay']
const REPLIES = [found, absent, refused, unavailable(), unavailable('INTERNAL')]

describe('whatever the engine answers', () => {
  const replies = fc.array(fc.constantFrom(...REPLIES), { maxLength: 12 })
  const acts = fc.array(fc.constantFrom(...ACTS), { maxLength: 15 })

  it('ORC-4.10 seq has no gaps, every move is legal, time never runs back, and all of it can be read again', () => {
    fc.assert(
      fc.property(replies, acts, (answers, chosen) => {
        const session = new Session(answers)
        for (const act of chosen) session[act]()
        const { world, piped } = session
        world.driver.advance(20_000)
        const firstTold = unique(world.emitted().statuses)
        const told = [...firstTold.values()].sort((a, b) => a.seq - b.seq)
        expect(told.map((event) => event.seq)).toEqual(told.map((_, index) => index + 1))
        expect(told.map((event) => event.previousStatus)).toEqual([
          null,
          ...told.slice(0, -1).map((event) => event.newStatus),
        ])
        expect(told.filter((event) => !canMove(event.previousStatus, event.newStatus))).toEqual([])
        const times = told.map((event) => event.occurredAt)
        expect(times).toEqual(times.toSorted())
        const row = JSON.stringify(world.row)
        for (const options of piped) world.request({}, options)
        for (const event of world.emitted().statuses) expect(event).toEqual(firstTold.get(event.eventId))
        expect(JSON.stringify(world.row)).toBe(row)
      }),
      { numRuns: 300 },
    )
  })
})

const seqOf = (world: World): number => {
  const state = world.row?.state
  return typeof state === 'object' && state !== null && 'seq' in state ? Number(state.seq) : 1
}

/**
 * By event id; two events of one id must be equal, or a consumer that dedupes would keep the wrong
 * one.
 */
function unique<E extends { eventId: string }>(events: readonly E[]): Map<string, E> {
  const byId = new Map<string, E>()
  for (const event of events) {
    expect(event).toEqual(byId.get(event.eventId) ?? event)
    byId.set(event.eventId, event)
  }
  return byId
}
