import { describe, expect, it } from 'vitest'
import { dispatchCommands, outboundRequests, statusEvents } from '../streams/contracts/outbound.ts'
import { requestExample } from '../streams/contracts/examples.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../streams/contracts/outcomes.ts'
import { segmentFacts, type ReceiptFact } from '../streams/contracts/receipts.ts'
import { Driver } from '../streams/testing/driver.ts'
import { outbound } from './outbound/outbound.ts'
import { found, unavailable, START, type Reply } from './outbound/testing/outbound.suite.ts'
import { segments } from './segments/segments.ts'
import { receipt, result } from './segments/testing/segments.suite.ts'
import { submitResults } from '../streams/contracts/outbound.ts'

const MESSAGE = {
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'vendor=1',
}
const RECEIPT = { traceparent: '00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01' }

function world(reply: Reply) {
  const given = { reply }
  const driver = new Driver([outbound(), segments({ rulesOf: () => ['exact'] })], {
    now: START,
    answer: (_, at) => given.reply(at, 0),
  })
  const tracesOf = (...topics: readonly Parameters<Driver['readOutputs']>[0][]) =>
    topics.map((topic) => driver.readOutputs(topic).map(({ trace }) => trace))
  return { given, driver, tracesOf }
}

const OUTCOME = [aggregatedOutcomes, billingEvents, webhookEvents, statusEvents] as const
const fact = (): ReceiptFact => receipt(1, 1, 'DELIVRD')

describe('[TR4] fault C4: the trace of a message', () => {
  it('goes with all that its request causes', () => {
    const { driver, tracesOf } = world(found)
    driver.pipe(outboundRequests, requestExample, { headers: MESSAGE })
    expect(tracesOf(dispatchCommands)).toEqual([[MESSAGE]])
    expect(tracesOf(statusEvents)[0]).toEqual([MESSAGE, MESSAGE, MESSAGE, MESSAGE])
  })

  it('goes on after a retry, which a timer begins', () => {
    const { driver, tracesOf, given } = world(unavailable())
    driver.pipe(outboundRequests, requestExample, { headers: MESSAGE })
    given.reply = found
    driver.advance(1_000)
    expect(tracesOf(dispatchCommands)).toEqual([[MESSAGE]])
  })

  it('is that of its outcome when the receipt has none, because tracing is off', () => {
    const { driver, tracesOf } = world(found)
    driver.pipe(outboundRequests, requestExample, { headers: MESSAGE })
    driver.pipe(submitResults, result(1, 1))
    tracesOf(...OUTCOME)
    driver.pipe(segmentFacts, fact())
    expect(tracesOf(...OUTCOME)).toEqual([[MESSAGE], [MESSAGE], [MESSAGE], [MESSAGE]])
  })

  it('gives way to that of the receipt, which the gateway has begun', () => {
    const { driver, tracesOf } = world(found)
    driver.pipe(outboundRequests, requestExample, { headers: MESSAGE })
    driver.pipe(submitResults, result(1, 1))
    tracesOf(...OUTCOME)
    driver.pipe(segmentFacts, fact(), { headers: RECEIPT })
    expect(tracesOf(...OUTCOME)).toEqual([[RECEIPT], [RECEIPT], [RECEIPT], [RECEIPT]])
  })

  it('is that of what the end of its grace causes', () => {
    const { driver, tracesOf } = world(found)
    driver.pipe(outboundRequests, requestExample, { headers: MESSAGE })
    driver.pipe(submitResults, result(1, 1))
    tracesOf(...OUTCOME)
    driver.advance(25 * 3_600_000)
    expect(tracesOf(...OUTCOME)).toEqual([[MESSAGE], [MESSAGE], [MESSAGE], [MESSAGE]])
  })

  it('is not what a client has written into the header instead of one', () => {
    const { driver, tracesOf } = world(found)
    driver.pipe(outboundRequests, requestExample, { headers: { traceparent: '+447700900123' } })
    expect(tracesOf(dispatchCommands)).toEqual([[undefined]])
  })
})
