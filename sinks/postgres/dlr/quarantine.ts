import type { DlrRecord } from '../../../streams/contracts/receipts.ts'
import type { RecordOf } from './record-kinds.ts'
import { insertOnce, type Queryable } from '../statement.ts'
import { storableJson } from '../storable.ts'

/**
 * Late receipts from a stale operator buffer [D18]. The payload is the receipt with the message
 * that it was correlated with: a release must work after the correlation has expired [D8].
 */
export const insertQuarantined = insertOnce<RecordOf<'QUARANTINED'>>('dlr.quarantined_dlrs', [
  { name: 'quarantine_id', type: 'uuid', of: (record) => record.quarantineId },
  { name: 'operator_id', type: 'uuid', of: ({ receipt }) => receipt.operatorId },
  { name: 'operator_message_id', type: 'text', of: ({ receipt }) => receipt.operatorMessageId },
  { name: 'message_id', type: 'uuid', of: (record) => record.messageId },
  { name: 'payload', type: 'jsonb', of: (record) => storableJson(quarantinePayload(record)) },
  { name: 'received_at', type: 'timestamptz', of: ({ receipt }) => receipt.receivedAt },
  { name: 'dlr_timestamp', type: 'timestamptz', of: ({ receipt }) => receipt.deliveredAt },
  { name: 'terminal_at', type: 'timestamptz', of: (record) => record.terminalAt },
  { name: 'fingerprint', type: 'text', of: ({ receipt }) => receipt.fingerprint },
])

/** What a release publishes again, under an id and a time of its own. */
export const quarantinePayload = (record: RecordOf<'QUARANTINED'>) => ({
  ...record.receipt,
  messageId: record.messageId,
  tenantId: record.tenantId,
  accountId: record.accountId,
  segmentIndex: record.segmentIndex,
  totalSegments: record.totalSegments,
  enqueuedAt: record.enqueuedAt,
})

interface ReleaseRow {
  readonly quarantineId: string
  readonly eventId: string
  readonly outcome: 'late' | 'duplicate' | 'applied'
  readonly releasedAt: string
}

const insertReleaseRows = insertOnce<ReleaseRow>('dlr.quarantine_releases', [
  { name: 'quarantine_id', type: 'uuid', of: (row) => row.quarantineId },
  { name: 'event_id', type: 'uuid', of: (row) => row.eventId },
  { name: 'outcome', type: 'text', of: (row) => row.outcome },
  { name: 'released_at', type: 'timestamptz', of: (row) => row.releasedAt },
])

/**
 * What became of receipts that an administrator has released [AG6]: [D19] or [D20]. An orphan that
 * was given to a message which is still open [H21] may have changed it.
 */
export const insertReleases = (client: Queryable, records: readonly DlrRecord[]): Promise<number> =>
  insertReleaseRows(client, records.flatMap(releaseRow))

function releaseRow(record: DlrRecord): readonly ReleaseRow[] {
  if ((record.kind !== 'LATE' && record.kind !== 'RECEIPT') || record.release === undefined) return []
  const unchanged = record.kind === 'LATE' ? 'late' : 'duplicate'
  return [
    {
      quarantineId: record.release.quarantineId,
      eventId: record.receipt.eventId,
      outcome: record.kind === 'RECEIPT' && record.applied ? 'applied' : unchanged,
      releasedAt: record.occurredAt,
    },
  ]
}

/**
 * A released receipt that its segment has had already [D19]: the release is answered, and there is
 * no second receipt row.
 */
export const isReleasedDuplicate = (record: RecordOf<'RECEIPT'>): boolean =>
  record.release !== undefined && !record.applied
