import { describe, expect, it } from 'vitest'
import { segmentFacts, type RefusedFact } from '../../streams/contracts/receipts.ts'
import { refusedFactEventId } from '../../streams/domain/event-id.ts'
import {
  expected,
  HOUR_MS,
  messageId,
  NOTHING,
  receipt,
  result,
  START,
  World,
} from './testing/segments.suite.ts'

const { tenantId, accountId } = expected(1)

const refused = (sentMs = START): RefusedFact => ({
  schemaVersion: '1.0',
  eventId: refusedFactEventId(messageId, 4),
  occurredAt: new Date(sentMs + 50).toISOString(),
  kind: 'REFUSED',
  messageId,
  tenantId,
  accountId,
  sentAt: new Date(sentMs).toISOString(),
})

const given = (): World => {
  const world = new World()
  world.fact(expected(2))
  world.driver.pipe(segmentFacts, refused())
  return world
}

describe('[T10] a message whose command NATS refused', () => {
  it('fault C3: is not waited for: no outcome, no bill, no webhook, however long', () => {
    const world = given()
    world.driver.advance(30 * HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(97 * HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
    expect(world.row).toBeUndefined()
  })

  it('[P2] stays so when its EXPECTED or the refusal is read again', () => {
    const world = new World()
    const first = world.fact(expected(2))
    const second = world.driver.pipe(segmentFacts, refused())
    const row = JSON.stringify(world.row)
    world.fact(expected(2), { offset: first, at: START })
    expect(JSON.stringify(world.row)).toBe(row)
    world.driver.pipe(segmentFacts, refused(), { offset: second, at: START })
    world.driver.advance(30 * HOUR_MS)
    expect(world.emitted()).toEqual(NOTHING)
  })

  it('[T12] is waited for again after a later command, with a grace of its own', () => {
    const world = given()
    world.driver.advance(80 * HOUR_MS)
    world.fact(expected(2, {}, START + 80 * HOUR_MS))
    world.driver.advance(23 * HOUR_MS)
    expect(world.row).toBeDefined()
    expect(world.emitted()).toEqual(NOTHING)
    world.driver.advance(2 * HOUR_MS)
    expect(world.emitted().aggregated).toHaveLength(1)
  })

  it('counts for less than what an operator reports: a submit result opens it, and keeps it open', () => {
    const world = given()
    world.result(result(1, 2))
    world.result(result(2, 2))
    world.fact(receipt(1, 2, 'DELIVRD'))
    world.fact(receipt(2, 2, 'DELIVRD'))
    expect(world.emitted().billing).toMatchObject([{ dlrStatus: 'DELIVERED', deliveredSegments: 2 }])
    const sent = new World().submitted(2)
    sent.driver.pipe(segmentFacts, refused())
    sent.driver.advance(25 * HOUR_MS)
    expect(sent.emitted().aggregated).toMatchObject([{ status: 'PARTIAL' }])
  })

  it('is another than one of an older command: the later one is waited for', () => {
    const world = new World()
    world.fact(expected(1))
    world.fact(expected(1, {}, START + HOUR_MS))
    world.driver.pipe(segmentFacts, refused())
    world.driver.advance(26 * HOUR_MS)
    expect(world.emitted().aggregated).toHaveLength(1)
  })
})
