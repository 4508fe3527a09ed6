import { describe, expect, it } from 'vitest'
import { aggregatedExample } from '../../streams/contracts/examples.ts'
import { dispatchRefusals, type DispatchRefused } from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes } from '../../streams/contracts/outcomes.ts'
import { deadLetterEventId, refusedEventId, refusedFactEventId } from '../../streams/domain/event-id.ts'
import { messageId, START, World } from './testing/outbound.suite.ts'

/** A message that was sent, and what the bridge says of its command. */
function sent(): { readonly world: World; readonly refused: DispatchRefused } {
  const world = new World()
  world.request()
  const [command] = world.emitted().commands
  if (command === undefined) throw new Error('nothing was sent')
  const { tenantId, accountId, operatorId } = command
  const refused = {
    schemaVersion: '1.0',
    eventId: refusedEventId(messageId, 4),
    occurredAt: new Date(START + 50).toISOString(),
    messageId,
    tenantId,
    accountId,
    operatorId,
    seq: 4,
    reason: 'larger than max_payload of the server',
    command,
  }
  return { world, refused }
}

const outcome = { ...aggregatedExample, status: 'PARTIAL' as const, messageId }

describe('[T10] a command that NATS refused for good', () => {
  it('fault C3: makes a message that is SENT a dead letter, with all of its request, and tells segments', () => {
    const { world, refused } = sent()
    world.driver.pipe(dispatchRefusals, refused)
    const { statuses, deadLetters, commands, facts } = world.emitted()
    expect(statuses).toMatchObject([
      {
        previousStatus: 'SENT',
        newStatus: 'DEAD_LETTER',
        seq: 5,
        operatorId: refused.operatorId,
        error: { code: 'publish_fail' },
      },
    ])
    expect(deadLetters).toMatchObject([
      {
        eventId: deadLetterEventId(messageId, 5),
        reason: 'publish_fail',
        finalStatus: 'DEAD_LETTER',
        seq: 5,
        to: refused.command.to,
        body: refused.command.body,
        expiresAt: refused.command.expiresAt,
      },
    ])
    expect(Object.keys(deadLetters[0] ?? {})).not.toContain('routeId')
    expect(facts).toMatchObject([
      { kind: 'REFUSED', eventId: refusedFactEventId(messageId, 4), sentAt: refused.command.routedAt },
    ])
    expect(commands).toEqual([])
    expect(world.noted('orch.dead_letter')).toMatchObject([{ reason: 'publish_fail' }])
  })

  it('[P2] read again emits the same bytes, and a second report of it changes nothing', () => {
    const { world, refused } = sent()
    const offset = world.driver.pipe(dispatchRefusals, refused)
    const first = world.emitted()
    const row = JSON.stringify(world.row)
    world.driver.pipe(dispatchRefusals, refused, { offset, at: START })
    expect(world.emitted()).toEqual(first)
    world.driver.pipe(dispatchRefusals, refused)
    expect(world.emitted()).toMatchObject({ statuses: [], deadLetters: [], facts: [] })
    expect(JSON.stringify(world.row)).toBe(row)
    expect(world.noted('orch.illegal_transition')).toEqual([])
  })

  it('[T12] can be replayed: the message is sent again, and an old refusal does not end it', () => {
    const { world, refused } = sent()
    world.driver.pipe(dispatchRefusals, refused)
    world.emitted()
    world.request({}, { headers: { 'dead-letter-replay': `${deadLetterEventId(messageId, 5)}:5` } })
    const { statuses, commands } = world.emitted()
    expect(statuses.map(({ newStatus, seq }) => `${seq} ${newStatus}`)).toEqual([
      '6 ROUTING',
      '7 ROUTED',
      '8 SENT',
    ])
    expect(commands).toHaveLength(1)
    world.driver.pipe(dispatchRefusals, refused)
    expect(world.emitted().statuses).toEqual([])
  })

  it('[T21] contradicts an outcome, and an outcome contradicts it: the first one stays', () => {
    const closed = sent()
    closed.world.driver.pipe(aggregatedOutcomes, outcome)
    closed.world.emitted()
    closed.world.driver.pipe(dispatchRefusals, closed.refused)
    expect(closed.world.emitted().statuses).toEqual([])
    expect(closed.world.noted('orch.illegal_transition')).toMatchObject([{ status: 'DEAD_LETTER' }])
    const dead = sent()
    dead.world.driver.pipe(dispatchRefusals, dead.refused)
    dead.world.emitted()
    dead.world.driver.pipe(aggregatedOutcomes, outcome)
    expect(dead.world.emitted().statuses).toEqual([])
    expect(dead.world.noted('orch.illegal_transition')).toMatchObject([{ previousStatus: 'DEAD_LETTER' }])
  })

  it('of a message that is not known any more is noted', () => {
    const { refused } = sent()
    const world = new World()
    world.driver.pipe(dispatchRefusals, refused)
    expect(world.emitted().statuses).toEqual([])
    expect(world.noted('orch.illegal_transition')).toMatchObject([{ previousStatus: 'none' }])
  })
})
