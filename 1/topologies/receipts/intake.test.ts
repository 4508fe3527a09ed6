import { describe, expect, it } from 'vitest'
import { inboundReceiptExample } from '../../streams/contracts/examples.ts'
import { inboundReceipts, receiptLookups, type InboundReceipt } from '../../streams/contracts/receipts.ts'
import { lookupEventId, receiptEventId, releasedReceiptEventId } from '../../streams/domain/event-id.ts'
import { Driver, type PipeOptions } from '../../streams/testing/driver.ts'
import { intake, SEEN_MAX } from './intake.ts'

const START = Date.parse('2026-04-18T10:23:46.200Z')
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const { operatorId, operatorMessageId } = inboundReceiptExample
const quarantineId = '0b3bc664-d9fd-5e8c-93ae-346037be4cca'

/** A receipt that arrived at the gateway so long after the first. */
function inbound(afterMs = 0, changes: Partial<InboundReceipt> = {}): InboundReceipt {
  const receivedAt = new Date(Date.parse('2026-04-18T10:23:46.120Z') + afterMs).toISOString()
  const given = { ...inboundReceiptExample, occurredAt: receivedAt, receivedAt, ...changes }
  return { ...given, eventId: receiptEventId({ ...given, receivedAt }), ...changes }
}

class World {
  readonly driver = new Driver([intake({ rulesOf: () => ['lower'] })], { now: START })
  pipe(receipt: InboundReceipt, options: PipeOptions = {}): number {
    return this.driver.pipe(inboundReceipts, receipt, options)
  }
  lookups() {
    return this.driver.read(receiptLookups)
  }
  noted(event: string) {
    return this.driver.notes.filter((note) => note.event === event).map((note) => note.fields)
  }
  get row() {
    return JSON.stringify(this.driver.row('receipts', `${operatorId}:${operatorMessageId}`))
  }
}

describe('intake', () => {
  it('[D2] [D6] passes a receipt on, normalised, fingerprinted and under its canonical id', () => {
    const world = new World()
    world.pipe(inboundReceiptExample)
    const { schemaVersion: _, occurredAt: __, ...received } = inboundReceiptExample
    expect(world.lookups()).toEqual([
      {
        schemaVersion: '1.0',
        eventId: lookupEventId(inboundReceiptExample.eventId),
        occurredAt: new Date(START).toISOString(),
        canonicalId: 'op-msg-20240418-00123',
        receipt: {
          ...received,
          dlrStatus: 'DELIVERED',
          fingerprint: '60ea47d997d39973e152ebd10906c731720eb9e8898635777543b48c8d649d2a',
        },
      },
    ])
    expect(world.noted('dlr.received')).toEqual([{ operatorId, operatorMessageId }])
  })

  it('takes occurredAt for a missing receivedAt, and null for a missing done date', () => {
    const world = new World()
    const { receivedAt: _, deliveredAt: __, ...bare } = inboundReceiptExample
    world.pipe(bare)
    expect(world.lookups()).toMatchObject([
      { receipt: { receivedAt: inboundReceiptExample.occurredAt, deliveredAt: null } },
    ])
  })

  it('[D4] DLR-003.2 drops a receipt whose event came before, within 72 h', () => {
    const world = new World()
    world.pipe(inbound())
    world.lookups()
    world.driver.advance(71 * HOUR_MS)
    world.pipe(inbound())
    expect(world.lookups()).toEqual([])
    expect(world.noted('dlr.redelivered')).toHaveLength(1)
  })

  it('[D5] DLR-015.3 drops what the operator repeats within the same minute', () => {
    const world = new World()
    world.pipe(inbound())
    world.lookups()
    world.pipe(inbound(1000, { errorCode: '001' }))
    expect(world.lookups()).toEqual([])
    expect(world.noted('dlr.dedup')).toEqual([{ operatorId, operatorMessageId }])
  })

  it('passes a repetition of another minute on: identity decides later', () => {
    const world = new World()
    world.pipe(inbound())
    world.pipe(inbound(MINUTE_MS))
    expect(world.lookups()).toHaveLength(2)
  })

  it('passes another status of the same minute on', () => {
    const world = new World()
    world.pipe(inbound())
    world.pipe(inbound(0, { stat: 'UNDELIV' }))
    expect(world.lookups().map((lookup) => lookup.receipt.dlrStatus)).toEqual(['DELIVERED', 'UNDELIVERED'])
  })

  it('[D5] forgets a fingerprint after 24 h, an event after 72 h', () => {
    const world = new World()
    world.pipe(inbound())
    world.driver.advance(24 * HOUR_MS)
    world.pipe(inbound(1000))
    expect(world.lookups()).toHaveLength(2)
    world.driver.advance(48 * HOUR_MS)
    world.pipe(inbound())
    expect(world.lookups()).toHaveLength(1)
  })

  it('keeps no row longer than 72 h after its last receipt', () => {
    const world = new World()
    world.pipe(inbound())
    world.driver.advance(72 * HOUR_MS)
    expect(world.driver.rowCount).toBe(0)
  })

  it('[D3] lets a released receipt through although its fingerprint is known, and says so', () => {
    const world = new World()
    world.pipe(inbound())
    world.lookups()
    const eventId = releasedReceiptEventId(quarantineId)
    world.pipe(inbound(0, { eventId }), { headers: { 'x-dlr-release': quarantineId } })
    expect(world.lookups()).toMatchObject([{ release: { quarantineId }, receipt: { eventId } }])
  })

  it('[D4] drops a release that comes twice', () => {
    const world = new World()
    const release = inbound(0, { eventId: releasedReceiptEventId(quarantineId) })
    const headers = { 'X-Dlr-Release': quarantineId }
    world.pipe(release, { headers })
    world.pipe(release, { headers })
    expect(world.lookups()).toHaveLength(1)
  })

  it('takes a release header that is no id for none', () => {
    const world = new World()
    world.pipe(inbound(), { headers: { 'X-Dlr-Release': 'yes' } })
    expect(world.lookups()[0]).not.toHaveProperty('release')
  })

  it('[P2] a re-read passes again unchanged, a duplicate is dropped again', () => {
    const world = new World()
    const first = world.pipe(inbound())
    const told = world.lookups()
    const second = world.pipe(inbound(1000))
    const row = world.row
    world.pipe(inbound(), { offset: first, at: START })
    expect(world.lookups()).toEqual(told)
    world.pipe(inbound(1000), { offset: second, at: START })
    expect(world.lookups()).toEqual([])
    expect(world.row).toBe(row)
  })

  it('[F13] keeps a bounded row under a flood, and finds it unchanged when all is read again', () => {
    const world = new World()
    const offsets = Array.from({ length: SEEN_MAX + 10 }, (_, minute) =>
      world.pipe(inbound(minute * MINUTE_MS)),
    )
    const ids = world.lookups().map((lookup) => lookup.eventId)
    expect(ids).toHaveLength(SEEN_MAX + 10)
    const row = world.row
    for (const [minute, offset] of offsets.entries())
      world.pipe(inbound(minute * MINUTE_MS), { offset, at: START })
    expect(world.lookups().map((lookup) => lookup.eventId)).toEqual(ids)
    expect(world.row).toBe(row)
  })
})
