import type { DlrRecord } from '../../../streams/contracts/receipts.ts'
import type { CanonicalStatus } from '../../../streams/domain/statuses.ts'
import type { RecordOf } from './record-kinds.ts'
import { insertOnce, type Queryable } from '../statement.ts'

interface SegmentStatusRow {
  readonly record: RecordOf<'RECEIPT'> | RecordOf<'SEGMENT'>
  readonly status: CanonicalStatus
  readonly receivedAt: string
  readonly errorCode: string | null
}

const insert = insertOnce<SegmentStatusRow>('dlr.segment_dlrs', [
  { name: 'message_id', type: 'uuid', of: ({ record }) => record.messageId },
  { name: 'segment_index', type: 'integer', of: ({ record }) => record.segmentIndex },
  { name: 'total_segments', type: 'integer', of: ({ record }) => record.totalSegments },
  { name: 'status', type: 'text', of: (row) => row.status },
  { name: 'received_at', type: 'timestamptz', of: (row) => row.receivedAt },
  { name: 'tenant_id', type: 'uuid', of: ({ record }) => record.tenantId },
  { name: 'account_id', type: 'uuid', of: ({ record }) => record.accountId },
  { name: 'error_code', type: 'text', of: (row) => row.errorCode },
  { name: 'enqueued_at', type: 'timestamptz', of: ({ record }) => record.enqueuedAt },
])

/**
 * One row per segment and status that it has had. A reader lets a terminal one win over UNKNOWN
 * [DB22]. A receipt that did not change its segment gets none: two terminal rows of one segment
 * would leave the reader to guess.
 */
export const insertSegments = (client: Queryable, records: readonly DlrRecord[]): Promise<number> =>
  insert(client, records.flatMap(segmentRow))

function segmentRow(record: DlrRecord): readonly SegmentStatusRow[] {
  if (record.kind === 'SEGMENT') {
    // A command status is an SMPP number, not an operator's receipt error: the column holds only
    // the latter.
    return [{ record, status: record.status, receivedAt: record.at, errorCode: record.errorCode ?? null }]
  }
  if (record.kind !== 'RECEIPT' || !record.applied) return []
  const { dlrStatus: status, receivedAt, errorCode = null } = record.receipt
  return [{ record, status, receivedAt, errorCode }]
}
