import { describe, expect, it } from 'vitest'
import { quarantinePayload } from '../../sinks/postgres/dlr/quarantine.ts'
import { inboundReceiptExample, submitResultExample } from '../../streams/contracts/examples.ts'
import { submitResults } from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../../streams/contracts/outcomes.ts'
import {
  dlrRecords,
  InboundReceipt,
  inboundReceipts,
  RELEASE_HEADER,
  type DlrRecord,
} from '../../streams/contracts/receipts.ts'
import { receiptEventId, releasedReceiptEventId } from '../../streams/domain/event-id.ts'
import { Driver } from '../../streams/testing/driver.ts'
import { segments } from '../segments/segments.ts'
import { correlate } from './correlate.ts'
import { intake } from './intake.ts'

const START = Date.parse(submitResultExample.submittedAt)
const HOUR_MS = 3_600_000
const { operatorId, operatorMessageId } = inboundReceiptExample
const iso = (ms: number): string => new Date(ms).toISOString()
const rulesOf = () => []

type Quarantined = Extract<DlrRecord, { kind: 'QUARANTINED' }>

class World {
  readonly driver = new Driver([intake({ rulesOf }), correlate, segments({ rulesOf })], {
    now: START,
    answer: (_, at) => ({ kind: 'found', value: { ends: [], read: [] }, at }),
  })

  receipt(stat: string, hours: number, bufferedMs = 1000): void {
    this.driver.advance(START + hours * HOUR_MS - this.driver.now)
    const receivedAt = iso(this.driver.now)
    this.driver.pipe(inboundReceipts, {
      ...inboundReceiptExample,
      eventId: receiptEventId({ operatorId, operatorMessageId, stat, receivedAt }),
      stat,
      receivedAt,
      deliveredAt: iso(this.driver.now - bufferedMs),
    })
  }

  /** Delivered at once, and quarantined a day later. */
  quarantined(stat: string): Quarantined {
    this.driver.pipe(submitResults, submitResultExample)
    this.receipt('DELIVRD', 0.01)
    this.events()
    this.records()
    this.receipt(stat, 26, HOUR_MS)
    const [record] = this.records()
    if (record?.kind !== 'QUARANTINED') throw new Error('it was not quarantined')
    return record
  }

  /** As the API publishes what the sink has kept: [D8], [EV55], [EV61]. */
  release(record: Quarantined): void {
    const { quarantineId } = record
    const kept: unknown = JSON.parse(JSON.stringify(quarantinePayload(record)))
    const event = InboundReceipt.parse({
      ...(typeof kept === 'object' && kept),
      schemaVersion: '1.0',
      eventId: releasedReceiptEventId(quarantineId),
      occurredAt: iso(this.driver.now),
    })
    this.driver.pipe(inboundReceipts, event, { headers: { [RELEASE_HEADER]: quarantineId } })
  }

  records = (): readonly DlrRecord[] => this.driver.read(dlrRecords)

  events = () => [
    ...this.driver.read(aggregatedOutcomes),
    ...this.driver.read(billingEvents),
    ...this.driver.read(webhookEvents),
  ]
}

describe('a receipt that is released from quarantine ([D3], [D8], [D17], [AG6])', () => {
  it.each([
    ['UNDELIV', 30, 'LATE', 'DELIVERED'],
    ['DELIVRD', 30, 'RECEIPT', undefined],
    ['UNDELIV', 400, 'LATE', null],
    ['DELIVRD', 400, 'LATE', null],
  ] as const)(
    '%s after %i h answers its release as %s, and nothing else',
    (stat, hours, kind, messageStatus) => {
      const world = new World()
      const record = world.quarantined(stat)
      world.driver.advance(START + hours * HOUR_MS - world.driver.now)
      world.release(record)
      const [answer, ...others] = world.records()
      expect(others).toEqual([])
      expect(answer).toMatchObject({
        kind,
        messageId: submitResultExample.messageId,
        release: { quarantineId: record.quarantineId },
        ...(kind === 'RECEIPT' && { applied: false }),
        ...(messageStatus !== undefined && { messageStatus }),
      })
      expect(world.events()).toEqual([])
    },
  )

  it('[D3] [D4] passes although its fingerprint is known, and once only', () => {
    const world = new World()
    const record = world.quarantined('UNDELIV')
    world.release(record)
    expect(world.records()).toHaveLength(1)
    world.release(record)
    expect(world.records()).toEqual([])
  })
})
