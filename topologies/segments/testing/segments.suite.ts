import { requestExample } from '../../../streams/contracts/examples.ts'
import { submitResults, type SubmitResult } from '../../../streams/contracts/outbound.ts'
import { aggregatedOutcomes, billingEvents, webhookEvents } from '../../../streams/contracts/outcomes.ts'
import {
  dlrRecords,
  segmentFacts,
  sentSegments,
  type ExpectedFact,
  type ReceiptFact,
} from '../../../streams/contracts/receipts.ts'
import {
  expectedFactEventId,
  receiptEventId,
  receiptFactEventId,
  submitResultEventId,
} from '../../../streams/domain/event-id.ts'
import { normaliseStat } from '../../../streams/domain/receipt/stat.ts'
import { Driver, type PipeOptions } from '../../../streams/testing/driver.ts'
import { segments, type SegmentsOptions } from '../segments.ts'

/**
 * What the tests of `segments` share: a message of some segments, and short ways to say what
 * operators report of it.
 */

export const START = Date.parse('2026-04-18T10:23:40.180Z')
export const HOUR_MS = 3_600_000
export const messageId = requestExample.messageId
export const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const { tenantId, accountId, to, enqueuedAt } = requestExample
const ids = { messageId, tenantId, accountId }
const metadata = { campaignId: 'camp-001' }
const iso = (ms: number): string => new Date(ms).toISOString()

export const expected = (
  segmentCount: number,
  changes: Partial<ExpectedFact> = {},
  at = START,
): ExpectedFact => ({
  schemaVersion: '1.0',
  eventId: expectedFactEventId(messageId, 4),
  occurredAt: iso(at),
  kind: 'EXPECTED',
  ...ids,
  to,
  operatorId,
  segmentCount,
  expectedSegments: segmentCount,
  sentAt: iso(at),
  enqueuedAt,
  metadata,
  ...changes,
})

export function result(
  segmentIndex: number,
  totalSegments: number,
  outcome: SubmitResult['outcome'] = 'ACCEPTED',
  changes: Partial<SubmitResult> = {},
): SubmitResult {
  const submittedAt = iso(START)
  const given = {
    ...ids,
    operatorId,
    segmentIndex,
    totalSegments,
    outcome,
    ...(outcome === 'ACCEPTED' && { operatorMessageId: `OP-${segmentIndex}` }),
    submittedAt,
    to,
    enqueuedAt,
    segmentCount: totalSegments,
    metadata,
    ...changes,
  }
  return { schemaVersion: '1.0', eventId: submitResultEventId(given), occurredAt: submittedAt, ...given }
}

export interface ReceiptChanges {
  readonly receivedAt?: number
  readonly deliveredAt?: number | null
  readonly operatorMessageId?: string
  readonly quarantineId?: string
  readonly submitted?: boolean
  readonly errorCode?: string
  readonly segmentCount?: number
}

export function receipt(
  segmentIndex: number,
  totalSegments: number,
  stat: string,
  changes: ReceiptChanges = {},
): ReceiptFact {
  const { deliveredAt = null, operatorMessageId = `OP-${segmentIndex}`, quarantineId, errorCode } = changes
  const receivedAt = iso(changes.receivedAt ?? START + 6000)
  const said = { operatorId, operatorMessageId, stat, receivedAt }
  const eventId = receiptEventId({ ...said, ...(quarantineId && { stat: `${stat} released` }) })
  return {
    schemaVersion: '1.0',
    eventId: receiptFactEventId(eventId),
    occurredAt: receivedAt,
    kind: 'RECEIPT',
    ...ids,
    enqueuedAt,
    segmentIndex,
    totalSegments,
    ...(changes.submitted !== false && {
      submission: {
        to,
        submittedAt: iso(START),
        segmentCount: changes.segmentCount ?? totalSegments,
        metadata,
      },
    }),
    receipt: {
      ...said,
      eventId,
      ...(errorCode !== undefined && { errorCode }),
      deliveredAt: deliveredAt === null ? null : iso(deliveredAt),
      dlrStatus: normaliseStat(stat),
      fingerprint: 'f'.repeat(64),
    },
    correlatedAt: receivedAt,
    ...(quarantineId !== undefined && { release: { quarantineId } }),
  }
}

export class World {
  readonly driver: Driver

  constructor(options: Partial<SegmentsOptions> = {}) {
    this.driver = new Driver([segments({ rulesOf: () => ['exact'], ...options })], { now: START })
  }

  fact(fact: ExpectedFact | ReceiptFact, options: PipeOptions = {}): number {
    return this.driver.pipe(segmentFacts, fact, options)
  }

  result(submitResult: SubmitResult, options: PipeOptions = {}): number {
    return this.driver.pipe(submitResults, submitResult, options)
  }

  /** The whole message on its way: the command, and every segment accepted. */
  submitted(total: number): this {
    this.fact(expected(total))
    for (let index = 1; index <= total; index += 1) this.result(result(index, total))
    this.emitted()
    return this
  }

  emitted() {
    return {
      records: this.driver.read(dlrRecords),
      aggregated: this.driver.read(aggregatedOutcomes),
      billing: this.driver.read(billingEvents),
      webhooks: this.driver.read(webhookEvents),
      sent: this.driver.read(sentSegments),
    }
  }

  get row() {
    return this.driver.row('aggregates', messageId)
  }

  noted(event: string) {
    return this.driver.notes.filter((note) => note.event === event).map((note) => note.fields)
  }
}

export const NOTHING = { records: [], aggregated: [], billing: [], webhooks: [], sent: [] }
