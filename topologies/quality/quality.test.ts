import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordExample } from '../../streams/contracts/examples.ts'
import { sampleExample } from '../../streams/contracts/operator-examples.ts'
import { operatorQuality, operatorSamples, type OperatorSample } from '../../streams/contracts/operators.ts'
import { dlrRecords, type DlrRecord } from '../../streams/contracts/receipts.ts'
import { eventIdOf } from '../../streams/domain/event-id.ts'
import { Driver } from '../../streams/testing/driver.ts'
import { quality } from './quality.ts'
import { BUCKET_MS, LATENCY_ENDS_MS, WINDOW_MS } from './window.ts'

const START = Date.parse('2026-04-18T10:00:00.000Z')
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const other = 'a47ac10b-58cc-4372-a567-0e02b2c3d479'
const iso = (ms: number): string => new Date(ms).toISOString()

type ReceiptRecord = Extract<DlrRecord, { kind: 'RECEIPT' }>
function asReceipt(record: DlrRecord): ReceiptRecord {
  if (record.kind !== 'RECEIPT') throw new Error('the example is no longer a receipt')
  return record
}
const example = asReceipt(recordExample)
const { kind: _, applied: __, messageOutcome: ___, correlatedAt, totalSegments, ...common } = example
let number = 0
const next = () => ({ ...common, eventId: eventIdOf(`record ${(number += 1)}`) })

const receiptOf = (of = operatorId, dlrStatus: 'DELIVERED' | 'UNDELIVERED' | 'UNKNOWN' = 'DELIVERED') => ({
  ...example.receipt,
  operatorId: of,
  dlrStatus,
})
const taken = (
  latencyMs = 6_000,
  dlrStatus?: 'DELIVERED' | 'UNDELIVERED' | 'UNKNOWN',
  of?: string,
): DlrRecord => {
  const receipt = receiptOf(of, dlrStatus)
  const submittedAt = iso(Date.parse(receipt.receivedAt) - latencyMs)
  return { ...next(), kind: 'RECEIPT', receipt, correlatedAt, totalSegments, submittedAt, applied: true }
}
const orphan = (): DlrRecord => {
  const { schemaVersion, eventId, occurredAt } = next()
  return { schemaVersion, eventId, occurredAt, kind: 'ORPHAN', orphanId: eventId, receipt: receiptOf() }
}
const late = (release = false): DlrRecord => {
  const given = next()
  const closed = { messageStatus: 'DELIVERED' as const, terminalAt: correlatedAt }
  const released = release ? { release: { quarantineId: given.eventId } } : {}
  return { ...given, kind: 'LATE', lateId: given.eventId, receipt: receiptOf(), ...closed, ...released }
}
const quarantined = (): DlrRecord => {
  const given = next()
  const held = { quarantineId: given.eventId, receipt: receiptOf(), terminalAt: correlatedAt, totalSegments }
  return { ...given, kind: 'QUARANTINED', ...held }
}
const refused = (): DlrRecord => ({
  ...next(),
  kind: 'SEGMENT',
  totalSegments,
  operatorId,
  status: 'REJECTED',
  at: correlatedAt,
})

function world() {
  const driver = new Driver([quality], { now: START })
  const pipe = (...records: readonly DlrRecord[]) => records.map((record) => driver.pipe(dlrRecords, record))
  const told = () => driver.read(operatorQuality)
  return { driver, pipe, told }
}

describe('the figures of an operator', () => {
  it('are what the last five minutes say, in percent, every half minute [SC15]', () => {
    const { driver, pipe, told } = world()
    pipe(...Array.from({ length: 16 }, () => taken()), orphan(), late(), quarantined(), refused())
    pipe(taken(1, 'UNDELIVERED'))
    expect(told()).toEqual([])
    driver.advance(BUCKET_MS)
    expect(told()).toMatchObject([
      {
        operatorId,
        occurredAt: iso(START + BUCKET_MS),
        windowMs: WINDOW_MS,
        receipts: 20,
        orphanPercent: 5,
        latePercent: 5,
        quarantinedPercent: 5,
        segments: 18,
        deliveredPercent: 88.89,
        latencyP50Ms: 10_000,
        latencyP95Ms: 10_000,
      },
    ])
    driver.advance(WINDOW_MS - BUCKET_MS)
    expect(told().map(({ receipts }) => receipts)).toEqual(Array.from({ length: 9 }, () => 20))
  })

  it('are told once more when nothing is heard, and then its row is gone', () => {
    const { driver, pipe, told } = world()
    pipe(taken())
    driver.advance(WINDOW_MS + BUCKET_MS)
    expect(told().at(-1)).toMatchObject({ receipts: 0, orphanPercent: null, latencyP50Ms: null })
    expect(driver.row('windows', operatorId)).toBeUndefined()
    driver.advance(10 * WINDOW_MS)
    expect(told()).toEqual([])
    pipe(taken())
    driver.advance(BUCKET_MS)
    expect(told()).toMatchObject([{ receipts: 1 }])
  })

  it('are of one operator each', () => {
    const { driver, pipe, told } = world()
    pipe(taken(), taken(1, 'DELIVERED', other), orphan())
    driver.advance(BUCKET_MS)
    expect(told().map((each) => [each.operatorId, each.receipts, each.orphanPercent])).toEqual([
      [operatorId, 2, 50],
      [other, 1, 0],
    ])
  })

  it('leave out what a person has released: it was counted when it was held', () => {
    const { driver, pipe, told } = world()
    pipe(quarantined(), late(true))
    driver.advance(BUCKET_MS)
    expect(told()).toMatchObject([{ receipts: 1, quarantinedPercent: 100, latePercent: 0 }])
  })

  it('leave out an end that is none yet', () => {
    const { driver, pipe, told } = world()
    pipe(taken(1, 'UNKNOWN'))
    driver.advance(BUCKET_MS)
    expect(told()).toMatchObject([{ receipts: 1, segments: 0, deliveredPercent: null, latencyP50Ms: null }])
  })

  it('[M3] do not count what is read again, of the records and of the samples', () => {
    const { driver, pipe, told } = world()
    const records = [taken(), orphan()]
    const offsets = pipe(...records)
    const samples = driver.read(operatorSamples)
    for (const [at, record] of records.entries())
      driver.pipe(dlrRecords, record, { offset: offsets[at] ?? 0 })
    for (const [offset, sample] of samples.entries()) driver.pipe(operatorSamples, sample, { offset })
    expect(driver.readOutputs(operatorSamples).every(({ replayed }) => replayed)).toBe(true)
    driver.advance(BUCKET_MS)
    expect(told()).toMatchObject([{ receipts: 2, orphanPercent: 50 }])
  })

  it('are noted for the gauges, without what is not known', () => {
    const { driver, pipe } = world()
    pipe(orphan())
    driver.advance(BUCKET_MS)
    expect(driver.notes.map(({ event, fields }) => [event, fields])).toEqual([
      [
        'operator.quality',
        {
          operatorId,
          orphanPercent: 100,
          latePercent: 0,
          quarantinedPercent: 0,
          deliveredPercent: undefined,
          latencyP50Seconds: undefined,
          latencyP95Seconds: undefined,
        },
      ],
    ])
  })
})

const sample = fc.record({
  afterMs: fc.integer({ min: 0, max: 2 * WINDOW_MS }),
  receipt: fc.constantFrom('taken', 'late', 'quarantined', 'orphan'),
  latencyMs: fc.integer({ min: 0, max: 2 * (LATENCY_ENDS_MS.at(-1) ?? 0) }),
})

it('whatever comes, the figures are those of a recount, and the row stays small', () => {
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 60 }), (given) => {
      const { driver, told } = world()
      const samples = given.toSorted((a, b) => a.afterMs - b.afterMs)
      for (const { afterMs, receipt, latencyMs } of samples) {
        driver.advance(START + afterMs - driver.now)
        const ended: Partial<OperatorSample> = receipt === 'taken' ? { ended: 'DELIVERED', latencyMs } : {}
        const { schemaVersion, eventId, occurredAt } = sampleExample
        driver.pipe(operatorSamples, { schemaVersion, eventId, occurredAt, operatorId, receipt, ...ended })
        expect(JSON.stringify(driver.row('windows', operatorId)?.state).length).toBeLessThan(3_000)
      }
      driver.advance(2 * WINDOW_MS)
      for (const { occurredAt, receipts, orphanPercent, latencyP95Ms } of told()) {
        const until = Date.parse(occurredAt) - START
        const within = samples.filter(({ afterMs }) => afterMs >= until - WINDOW_MS && afterMs < until)
        const orphans = within.filter(({ receipt }) => receipt === 'orphan').length
        expect(receipts).toBe(within.length)
        expect(orphanPercent).toBe(
          receipts === 0 ? null : Math.round((10_000 * orphans) / within.length) / 100,
        )
        const latencies = within
          .filter(({ receipt }) => receipt === 'taken')
          .map(({ latencyMs }) => latencyMs)
          .toSorted((a, b) => a - b)
        const exact = latencies[Math.ceil(latencies.length * 0.95) - 1]
        expect(latencyP95Ms).toBe(
          exact === undefined ? null : (LATENCY_ENDS_MS.find((end) => exact <= end) ?? null),
        )
      }
    }),
  )
})
