import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encode } from '../../../streams/contracts/decode.ts'
import { dlrRecords, type DlrRecord } from '../../../streams/contracts/receipts.ts'
import { eventIdOf, orphanRowId, quarantineRowId, receiptRowId } from '../../../streams/domain/event-id.ts'
import {
  ENQUEUED_AT,
  EXAMPLE_IDS,
  insertMessage,
  openScene,
  receiptExample,
  silentHooks,
  type Scene,
} from '../../testing/scene.suite.ts'
import { inTransaction, openPool } from '../pool.ts'
import { dlrSink } from '../sinks.ts'
import { StatementFailed } from '../statement.ts'

const example = receiptExample
const { receipt } = example
const { operatorId } = receipt
const at = '2026-04-19T10:23:46.120Z'
const envelope = (name: string) => ({ schemaVersion: '1.0', eventId: eventIdOf(name), occurredAt: at })
const message = { ...EXAMPLE_IDS, enqueuedAt: ENQUEUED_AT }
const quarantineId = quarantineRowId(receipt.eventId)

const orphan: DlrRecord = {
  ...envelope('orphan'),
  kind: 'ORPHAN',
  orphanId: orphanRowId(receipt.eventId),
  receipt: {
    ...receipt,
    operatorMessageId: 'OP-MSG-404',
    rawPayload: { text: 'stat:DELIVRD\u0000', parts: ['\ud800'] },
  },
}
const late: DlrRecord = {
  ...envelope('late'),
  ...message,
  kind: 'LATE',
  lateId: eventIdOf('a late receipt'),
  segmentIndex: 1,
  receipt,
  messageStatus: 'FAILED',
  terminalAt: at,
  release: { quarantineId },
}
const quarantined: DlrRecord = {
  ...envelope('quarantined'),
  ...message,
  kind: 'QUARANTINED',
  segmentIndex: 1,
  totalSegments: 2,
  quarantineId,
  receipt,
  terminalAt: at,
}
const partial: DlrRecord = {
  ...envelope('partial'),
  ...message,
  kind: 'PARTIAL_TIMEOUT',
  received: 1,
  expected: 2,
  at,
  messageOutcome: { status: 'PARTIAL', at, received: 1, expected: 2 },
}
const refused: DlrRecord = {
  ...envelope('refused'),
  ...message,
  kind: 'SEGMENT',
  segmentIndex: 2,
  totalSegments: 2,
  operatorId,
  status: 'REJECTED',
  at,
  commandStatus: 11,
}

let scene: Scene
beforeAll(async () => {
  scene = await openScene('records')
  await insertMessage(scene)
})
afterAll(() => scene.close())

/** Through the front door: bytes of the log in, as the role of the sink. */
async function take(...records: readonly DlrRecord[]): Promise<void> {
  await dlrSink(scene.as('dlr_svc'), silentHooks).handle({
    topic: dlrRecords.name,
    partition: 0,
    next: records.length,
    records: records.map((record, offset) => ({
      topic: dlrRecords.name,
      partition: 0,
      offset,
      timestamp: 0,
      key: Buffer.from(dlrRecords.key(record)),
      value: Buffer.from(encode(record)),
      headers: {},
    })),
  })
}

const TABLES = [
  'orch.sms_messages',
  'dlr.delivery_receipts',
  'dlr.segment_dlrs',
  'dlr.orphan_dlrs',
  'dlr.late_dlrs',
  'dlr.quarantined_dlrs',
  'dlr.quarantine_releases',
  'dlr.audit_log',
]

/** The version of every row: equal contents with another xmin would be a write. */
const everyRow = () =>
  Promise.all(
    TABLES.map((table) =>
      scene.rows(`SELECT tableoid::regclass::text, ctid, xmin, * FROM ${table} ORDER BY 1, 2`),
    ),
  )

const another = (dlrStatus: 'UNKNOWN' | 'UNDELIVERED', applied: boolean): DlrRecord => ({
  ...example,
  messageId: eventIdOf('another message'),
  applied,
  receipt: { ...receipt, operatorMessageId: 'OP-MSG-TWO', dlrStatus },
})

const statusesIn = async (table: string, column: string) =>
  (
    await scene.rows(`SELECT ${column} AS status FROM ${table} WHERE message_id = $1 ORDER BY 1`, [
      eventIdOf('another message'),
    ])
  ).map(({ status }) => status)

describe('records of decided receipts', () => {
  it('DLR-003.1 the first receipt creates one row, with everything that the operator said', async () => {
    await take(example)
    const [row, ...more] = await scene.rows('SELECT * FROM dlr.delivery_receipts')
    expect(more).toEqual([])
    expect(row?.['created_at']).toBeInstanceOf(Date)
    expect(row).toMatchObject({
      receipt_id: receiptRowId(operatorId, receipt.operatorMessageId, 'DELIVERED'),
      message_id: EXAMPLE_IDS.messageId,
      tenant_id: EXAMPLE_IDS.tenantId,
      account_id: EXAMPLE_IDS.accountId,
      operator_id: operatorId,
      operator_message_id: receipt.operatorMessageId,
      segment_index: 1,
      total_segments: 1,
      raw_stat: 'DELIVRD',
      dlr_status: 'DELIVERED',
      error_code: '000',
      delivered_at: new Date('2026-04-18T10:23:45.000Z'),
      received_at: new Date(receipt.receivedAt),
      correlated_at: new Date(example.correlatedAt),
      applied: true,
      source_addr: null,
      dest_addr: '+447700900123',
      enqueued_at: new Date(ENQUEUED_AT),
    })
  })

  it('DLR-003.4 five rapid duplicates, in one batch and at the same time, leave one row', async () => {
    const other = { ...example, receipt: { ...receipt, operatorMessageId: 'OP-MSG-FIVE' } }
    await take(other, other, other, other, other)
    await Promise.all([take(other), take(other), take(other), take(other), take(other)])
    expect(
      await scene.rows(
        `SELECT count(*)::int AS count FROM dlr.delivery_receipts WHERE operator_message_id = 'OP-MSG-FIVE'`,
      ),
    ).toEqual([{ count: 1 }])
  })

  it('UNKNOWN before DELIVERED leaves a row each, and a receipt that changed nothing leaves no segment row', async () => {
    await take(another('UNKNOWN', true), another('UNDELIVERED', false))
    expect(await statusesIn('dlr.delivery_receipts', 'dlr_status')).toEqual(['UNDELIVERED', 'UNKNOWN'])
    expect(await statusesIn('dlr.segment_dlrs', 'status')).toEqual(['UNKNOWN'])
  })

  it('[PD2] a segment that another one’s receipt has ended has a row with its error code', async () => {
    if (refused.kind !== 'SEGMENT') throw new Error('another record is meant')
    await take({
      ...refused,
      ...envelope('spoken for'),
      segmentIndex: 3,
      status: 'UNDELIVERED',
      errorCode: '099',
    })
    expect(
      await scene.rows('SELECT status, error_code FROM dlr.segment_dlrs WHERE segment_index = 3'),
    ).toEqual([{ status: 'UNDELIVERED', error_code: '099' }])
  })

  it('DLR-018.1 a segment that the operator refused has a row without a receipt', async () => {
    await take(refused)
    expect(await scene.rows('SELECT * FROM dlr.segment_dlrs WHERE segment_index = 2')).toEqual([
      {
        message_id: EXAMPLE_IDS.messageId,
        segment_index: 2,
        total_segments: 2,
        status: 'REJECTED',
        received_at: new Date(at),
        tenant_id: EXAMPLE_IDS.tenantId,
        account_id: EXAMPLE_IDS.accountId,
        error_code: null,
        enqueued_at: new Date(ENQUEUED_AT),
      },
    ])
  })

  it('DLR-005.1 an orphan shows in dlr.orphaned_receipts to the reconciliation job, with what Postgres cannot store replaced', async () => {
    await take(orphan)
    const { rows } = await scene.as('dlr_recon').query('SELECT * FROM dlr.orphaned_receipts')
    expect(rows).toEqual([
      {
        orphan_id: orphanRowId(receipt.eventId),
        operator_message_id: 'OP-MSG-404',
        operator_id: operatorId,
        raw_stat: 'DELIVRD',
        raw_payload: {
          ...receipt,
          operatorMessageId: 'OP-MSG-404',
          rawPayload: { text: 'stat:DELIVRD\uFFFD', parts: ['\uFFFD'] },
        },
        received_at: new Date(receipt.receivedAt),
        resolved_at: null,
        resolved_receipt_id: null,
      },
    ])
  })

  it('DLR-016.2 a quarantined receipt keeps the message that it belongs to, so that it can be released later', async () => {
    await take(quarantined)
    const [row] = await scene.rows('SELECT * FROM dlr.quarantined_dlrs')
    expect(row).toMatchObject({
      quarantine_id: quarantineId,
      operator_id: receipt.operatorId,
      received_at: new Date(receipt.receivedAt),
      message_id: EXAMPLE_IDS.messageId,
      fingerprint: receipt.fingerprint,
      dlr_timestamp: new Date('2026-04-18T10:23:45.000Z'),
      terminal_at: new Date(at),
      payload: { ...receipt, ...message, segmentIndex: 1, totalSegments: 2 },
    })
  })

  it('a released receipt that is late answers its release', async () => {
    await take(late)
    expect(
      await scene.rows('SELECT late_id, message_status, terminal_at, payload FROM dlr.late_dlrs'),
    ).toEqual([
      {
        late_id: eventIdOf('a late receipt'),
        message_status: 'FAILED',
        terminal_at: new Date(at),
        payload: receipt,
      },
    ])
    expect(await scene.rows('SELECT * FROM dlr.quarantine_releases')).toEqual([
      { quarantine_id: quarantineId, event_id: receipt.eventId, outcome: 'late', released_at: new Date(at) },
    ])
  })

  it('a released receipt that is a duplicate answers its release and makes no second receipt row', async () => {
    const other = eventIdOf('another quarantine')
    await take({
      ...example,
      applied: false,
      release: { quarantineId: other },
      receipt: { ...receipt, operatorMessageId: 'OP-MSG-DUP' },
    })
    expect(
      await scene.rows('SELECT outcome FROM dlr.quarantine_releases WHERE quarantine_id = $1', [other]),
    ).toEqual([{ outcome: 'duplicate' }])
    expect(
      await scene.rows(`SELECT FROM dlr.delivery_receipts WHERE operator_message_id = 'OP-MSG-DUP'`),
    ).toEqual([])
  })

  it('DLR-019.3 a message that was closed without all receipts has an audit row', async () => {
    await take(partial)
    expect(await scene.rows('SELECT * FROM dlr.audit_log')).toEqual([
      {
        audit_id: partial.eventId,
        kind: 'PARTIAL_TIMEOUT',
        message_id: EXAMPLE_IDS.messageId,
        tenant_id: EXAMPLE_IDS.tenantId,
        received: 1,
        expected: 2,
        at: new Date(at),
        detail: { accountId: EXAMPLE_IDS.accountId, enqueuedAt: ENQUEUED_AT, closedBy: 'GRACE_EXPIRED' },
      },
    ])
  })

  it('[D26b] a message of which no operator had a part has one too, and fails', async () => {
    if (partial.kind !== 'PARTIAL_TIMEOUT') throw new Error('another record is meant')
    const ids = { ...EXAMPLE_IDS, messageId: eventIdOf('a message that never left') }
    await insertMessage(scene, ids)
    const messageOutcome = { status: 'FAILED' as const, at, received: 0, expected: 2 }
    await take({
      ...partial,
      ...envelope('unsent'),
      ...ids,
      received: 0,
      closedBy: 'NOT_SENT',
      messageOutcome,
    })
    const where = `WHERE message_id = '${ids.messageId}'`
    expect(
      await scene.rows(`SELECT received, detail->>'closedBy' AS by FROM dlr.audit_log ${where}`),
    ).toEqual([{ received: 0, by: 'NOT_SENT' }])
    expect(await scene.rows(`SELECT status, dlr_status FROM orch.sms_messages ${where}`)).toEqual([
      { status: 'FAILED', dlr_status: 'FAILED' },
    ])
  })

  it('DLR-E1.3 a second processing of any record changes nothing, in any order', async () => {
    const records = [example, refused, orphan, quarantined, late, partial]
    await take(...records)
    const before = await everyRow()
    await take(...records.toReversed())
    for (const record of records) await take(record)
    expect(await everyRow()).toEqual(before)
  })
})

describe('a batch that Postgres refuses', () => {
  it('[F18] is kept whole when the partition of a month is missing, and its error quotes no value', async () => {
    const before = await everyRow()
    const elsewhere = { ...example, messageId: eventIdOf('far'), enqueuedAt: '2031-01-01T00:00:00.000Z' }
    const fine = { ...example, receipt: { ...receipt, operatorMessageId: 'OP-MSG-FINE' } }
    const error = await take(fine, elsewhere).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StatementFailed)
    expect(error).toMatchObject({ operation: 'insert dlr.delivery_receipts', code: '23514' })
    expect(String(error)).toBe('StatementFailed: insert dlr.delivery_receipts failed (23514)')
    expect(await everyRow()).toEqual(before)
  })

  it('[F2] goes through once Postgres is back: the pool replaces connections that were cut', async () => {
    const pool = openPool({
      url: scene.database.urlAs('dlr_svc'),
      applicationName: 'cut',
      connectionsMax: 1,
      onIdleError: () => {},
    })
    const cut = inTransaction(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      await scene.admin.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
      await client.query('SELECT 1')
    })
    await expect(cut).rejects.toThrow(/terminat|connection e/)
    expect(await inTransaction(pool, (client) => client.query('SELECT 1'))).toMatchObject({ rowCount: 1 })
    await pool.end()
  })
})
