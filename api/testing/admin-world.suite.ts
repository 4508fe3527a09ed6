import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { dlrSink } from '../../sinks/postgres/sinks.ts'
import { encode } from '../../streams/contracts/decode.ts'
import { inboundReceiptExample, submitResultExample } from '../../streams/contracts/examples.ts'
import { submitResults } from '../../streams/contracts/outbound.ts'
import {
  dlrRecords,
  InboundReceipt,
  inboundReceipts,
  type DlrRecord,
} from '../../streams/contracts/receipts.ts'
import { receiptEventId, submitResultEventId } from '../../streams/domain/event-id.ts'
import { Driver } from '../../streams/testing/driver.ts'
import { allTopologies } from '../../topologies/all.ts'
import type { Published } from './real-api.suite.ts'

const HOUR_MS = 3_600_000
const iso = (ms: number): string => new Date(ms).toISOString()

/** The way of receipts from NATS to the tables, in memory but for the tables. */
export class AdminWorld {
  readonly operatorId = randomUUID()
  readonly #driver: Driver
  readonly #sink: ReturnType<typeof dlrSink>

  /** `nowMs` is where the clock starts; `pool` is of dlr_svc. */
  constructor(pool: Pool, nowMs: number) {
    this.#driver = new Driver(allTopologies({ rulesOf: () => ['exact'] }), {
      now: nowMs,
      answer: (_, at) => ({ kind: 'found', value: { ends: [], read: [] }, at }),
    })
    this.#sink = dlrSink(pool, { written: () => {}, unreadable: () => {} })
  }

  /** A segment that the operator has taken. */
  submitted(
    messageId: string,
    operatorMessageId: string,
    owner: { tenantId: string; accountId: string },
  ): void {
    const at = iso(this.#driver.now)
    const { operatorId } = this
    const cause = { messageId, segmentIndex: 1, operatorId, outcome: 'ACCEPTED' as const, operatorMessageId }
    const result = {
      ...submitResultExample,
      ...cause,
      ...owner,
      occurredAt: at,
      submittedAt: at,
      enqueuedAt: at,
    }
    this.#driver.pipe(submitResults, { ...result, eventId: submitResultEventId(cause) })
  }

  receipt(operatorMessageId: string, stat: string, deliveredAgoMs = 1_000): void {
    const receivedAt = iso(this.#driver.now)
    const said = { operatorId: this.operatorId, operatorMessageId, stat, receivedAt }
    this.#driver.pipe(inboundReceipts, {
      ...inboundReceiptExample,
      ...said,
      eventId: receiptEventId(said),
      occurredAt: receivedAt,
      deliveredAt: iso(this.#driver.now - deliveredAgoMs),
    })
  }

  hours(count: number): void {
    this.#driver.advance(count * HOUR_MS)
  }

  /** What the API has published, as the bridge hands it on. */
  deliver({ event, headers }: Published): void {
    this.#driver.pipe(inboundReceipts, InboundReceipt.parse(event), { headers })
  }

  /** Stores what the topologies have decided since the last call, and gives it. */
  async project(): Promise<readonly DlrRecord[]> {
    const emitted = this.#driver.read(dlrRecords)
    const records = emitted.map((value, offset) => ({
      topic: dlrRecords.name,
      partition: 0,
      offset,
      timestamp: 0,
      key: null,
      value: Buffer.from(encode(value)),
      headers: {},
    }))
    const batch = { topic: dlrRecords.name, partition: 0, next: records.length, records }
    if (records.length > 0) await this.#sink.handle(batch)
    return emitted
  }
}
