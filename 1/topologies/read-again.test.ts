import { describe, expect, it } from 'vitest'
import { inboundReceiptExample } from '../streams/contracts/examples.ts'
import { outboundRequests, submitResults } from '../streams/contracts/outbound.ts'
import { dlrRecords, inboundReceipts, receiptLookups } from '../streams/contracts/receipts.ts'
import { deadLetterEventId } from '../streams/domain/event-id.ts'
import { Driver } from '../streams/testing/driver.ts'
import { found, messageId, START, unavailable, World } from './outbound/testing/outbound.suite.ts'
import { intake } from './receipts/intake.ts'
import { segments } from './segments/segments.ts'
import { result } from './segments/testing/segments.suite.ts'

const NOTHING = { statuses: [], retries: [], deadLetters: [], commands: [], facts: [] }

/** What lay in NATS comes to the log again, each record in its old place. */
describe('fault R2: a topic that was made again and holds the same records at the same offsets', () => {
  it('is no re-read of its requests: nothing is published again', () => {
    const world = new World(found)
    world.request()
    world.emitted()
    world.driver.recreated(outboundRequests)
    world.request()
    expect(world.emitted()).toEqual(NOTHING)
    expect(world.noted('orch.stage').at(-1)).toEqual({ stage: 'idempotency', result: 'duplicate' })
  })

  it('takes the order to replay a dead letter that lies where its request lay', () => {
    const world = new World(unavailable())
    world.request()
    world.driver.advance(60_000)
    world.emitted()
    world.driver.recreated(outboundRequests)
    world.reply = found
    world.request({}, { headers: { 'dead-letter-replay': `${deadLetterEventId(messageId, 6)}:6` } })
    expect(world.emitted().statuses).toMatchObject([{ seq: 7 }, { seq: 8 }, { seq: 9, newStatus: 'SENT' }])
  })

  it('is no re-read of its receipts', () => {
    const driver = new Driver([intake({ rulesOf: () => ['lower'] })], { now: START })
    driver.pipe(inboundReceipts, inboundReceiptExample)
    expect(driver.read(receiptLookups)).toHaveLength(1)
    driver.recreated(inboundReceipts)
    driver.pipe(inboundReceipts, inboundReceiptExample)
    expect(driver.read(receiptLookups)).toEqual([])
  })

  it('is no re-read of its submit results', () => {
    const driver = new Driver([segments({ rulesOf: () => ['lower'] })], { now: START })
    const rejected = result(1, 1, 'REJECTED')
    driver.pipe(submitResults, rejected)
    expect(driver.read(dlrRecords)).toHaveLength(1)
    driver.recreated(submitResults)
    driver.pipe(submitResults, rejected)
    expect(driver.read(dlrRecords)).toEqual([])
  })
})
