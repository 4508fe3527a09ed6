import { describe, expect, it } from 'vitest'
import { requestExample } from '../streams/contracts/examples.ts'
import {
  dispatchCommands,
  dispatchRefusals,
  outboundDeadLetters,
  outboundRequests,
  statusEvents,
} from '../streams/contracts/outbound.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../streams/contracts/outcomes.ts'
import { refusedEventId } from '../streams/domain/event-id.ts'
import { Driver } from '../streams/testing/driver.ts'
import { allTopologies } from './all.ts'

const START = Date.parse('2026-04-18T10:23:40.020Z')
const DAY_MS = 24 * 3_600_000
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'

describe('[T10] all topologies, and a bridge whose NATS refuses a command for good', () => {
  it('fault C3: the message ends as a dead letter once, and is never billed nor told of as PARTIAL', () => {
    const driver = new Driver(allTopologies({ rulesOf: () => ['exact'] }), {
      now: START,
      answer: (_, at) => ({ kind: 'found', value: { operatorId, routeId: 'rt-44-a' }, at }),
    })
    const offset = driver.pipe(outboundRequests, requestExample)
    const [command] = driver.read(dispatchCommands)
    if (command === undefined) throw new Error('nothing was sent')
    const { messageId, tenantId, accountId } = command
    driver.pipe(dispatchRefusals, {
      schemaVersion: '1.0',
      eventId: refusedEventId(messageId, 4),
      occurredAt: new Date(START + 50).toISOString(),
      messageId,
      tenantId,
      accountId,
      operatorId,
      seq: 4,
      reason: 'larger than max_msg_size of the stream',
      command,
    })
    // The request alone is read again, as after a reset of one topic: its EXPECTED comes again.
    driver.pipe(outboundRequests, requestExample, { offset, at: START })
    driver.advance(5 * DAY_MS)
    const ends = driver.read(statusEvents).filter(({ previousStatus }) => previousStatus === 'SENT')
    expect(ends.map(({ newStatus }) => newStatus)).toEqual(['DEAD_LETTER'])
    expect(driver.read(outboundDeadLetters).map(({ reason }) => reason)).toEqual(['publish_fail'])
    expect(driver.read(aggregatedOutcomes)).toEqual([])
    expect(driver.read(billingEvents)).toEqual([])
    expect(driver.read(webhookEvents)).toEqual([])
    expect(driver.notes.filter(({ event }) => event === 'orch.illegal_transition')).toEqual([])
  })
})
