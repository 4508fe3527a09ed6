import type { SubmitResult } from '../../../streams/contracts/outbound.ts'
import type { DlrRecord } from '../../../streams/contracts/receipts.ts'
import { ofKind, type RecordOf } from '../dlr/record-kinds.ts'
import { namesOf, statement, unnested, type Column, type Queryable } from '../statement.ts'

/** One with the id by which the operator will report: without one there is nothing to show. */
type AcceptedResult = SubmitResult & { readonly outcome: 'ACCEPTED'; readonly operatorMessageId: string }

const columns: readonly Column<AcceptedResult>[] = [
  { name: 'message_id', type: 'uuid', of: (result) => result.messageId },
  { name: 'operator_message_id', type: 'text', of: (result) => result.operatorMessageId },
  { name: 'operator_id', type: 'uuid', of: (result) => result.operatorId },
  { name: 'destination', type: 'text', of: (result) => result.to },
  { name: 'segment_index', type: 'integer', of: (result) => result.segmentIndex },
  { name: 'total_segments', type: 'integer', of: (result) => result.totalSegments },
  { name: 'submitted_at', type: 'timestamptz', of: (result) => result.submittedAt },
]

/**
 * An id that its operator gives out again replaces its row once that has expired, never before
 * [DB33]. The hours travel with each row, because the text of a statement must stay the same.
 */
function insertFor(hours: number) {
  const given = [...columns, { name: 'hours', type: 'integer', of: () => hours } as const]
  return statement(
    'insert smpp.message_correlations',
    `INSERT INTO smpp.message_correlations AS c (${namesOf(columns)}, expires_at)
     SELECT ${namesOf(columns)}, submitted_at + make_interval(hours => r.hours)
     FROM ${unnested(given)} AS r (${namesOf(given)})
     ON CONFLICT (operator_id, operator_message_id) DO UPDATE SET
       message_id = excluded.message_id, destination = excluded.destination,
       segment_index = excluded.segment_index, total_segments = excluded.total_segments,
       submitted_at = excluded.submitted_at, expires_at = excluded.expires_at,
       dlr_received_at = NULL, status = 'SUBMITTED'
     WHERE c.expires_at < excluded.submitted_at`,
    given,
  )
}

/** Writes the rows of accepted segments, which live for `hours` from their submission on. */
export function correlationWriter(hours: number) {
  const insert = insertFor(hours)
  return async (client: Queryable, results: readonly SubmitResult[]): Promise<void> => {
    for (const wave of wavesOf(results.filter(isAccepted))) await insert(client, wave)
  }
}

const isAccepted = (result: SubmitResult): result is AcceptedResult =>
  result.outcome === 'ACCEPTED' && result.operatorMessageId !== undefined

/**
 * One statement must not meet the same key twice; log order is kept across the waves. There is
 * nearly always just one.
 */
function wavesOf(results: readonly AcceptedResult[]): readonly (readonly AcceptedResult[])[] {
  const waves: AcceptedResult[][] = []
  const seen = new Map<string, number>()
  for (const result of results) {
    const key = `${result.operatorId}:${result.operatorMessageId}`
    const index = seen.get(key) ?? 0
    seen.set(key, index + 1)
    const wave = waves[index]
    if (wave === undefined) waves.push([result])
    else wave.push(result)
  }
  return waves
}

const markColumns: readonly Column<RecordOf<'RECEIPT'>>[] = [
  { name: 'operator_id', type: 'uuid', of: ({ receipt }) => receipt.operatorId },
  { name: 'operator_message_id', type: 'text', of: ({ receipt }) => receipt.operatorMessageId },
  { name: 'message_id', type: 'uuid', of: (record) => record.messageId },
  { name: 'received_at', type: 'timestamptz', of: ({ receipt }) => receipt.receivedAt },
]

/**
 * Marks, and returns a row for each receipt that found nothing to mark. It is one statement, so
 * that it sees one snapshot. Asked for separately, a row that was inserted in between would count
 * as found and never be marked. The message is part of the key, so that a receipt of an earlier
 * owner of the id does not mark the row of the later one.
 */
const mark = statement(
  'update smpp.message_correlations',
  `WITH received AS (SELECT * FROM ${unnested(markColumns)} AS r (${namesOf(markColumns)})),
   marked AS (
     UPDATE smpp.message_correlations AS c SET dlr_received_at = r.received_at, status = 'DLR_RECEIVED'
     FROM received AS r
     WHERE c.operator_id = r.operator_id AND c.operator_message_id = r.operator_message_id
       AND c.message_id = r.message_id AND c.dlr_received_at IS NULL
   )
   SELECT FROM received AS r WHERE NOT EXISTS (
     SELECT FROM smpp.message_correlations AS c
     WHERE c.operator_id = r.operator_id AND c.operator_message_id = r.operator_message_id
       AND c.message_id = r.message_id
   )`,
  markColumns,
)

/** Marks the rows of received receipts, each once, and returns how many receipts found no row. */
export const markReceived = (client: Queryable, records: readonly DlrRecord[]): Promise<number> =>
  mark(client, firstBySegment(ofKind(records, 'RECEIPT')))

function firstBySegment(receipts: readonly RecordOf<'RECEIPT'>[]): readonly RecordOf<'RECEIPT'>[] {
  const first = new Map<string, RecordOf<'RECEIPT'>>()
  for (const record of receipts) {
    const key = `${record.receipt.operatorId}:${record.receipt.operatorMessageId}:${record.messageId}`
    if (!first.has(key)) first.set(key, record)
  }
  return [...first.values()]
}
