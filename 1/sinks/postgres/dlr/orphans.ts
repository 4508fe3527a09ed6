import type { RecordOf } from './record-kinds.ts'
import { insertOnce } from '../statement.ts'
import { storableJson } from '../storable.ts'

/** Receipts that match no submitted segment, whole, for the reconciliation job (story DLR-005). */
export const insertOrphans = insertOnce<RecordOf<'ORPHAN'>>('dlr.orphan_dlrs', [
  { name: 'orphan_id', type: 'uuid', of: (record) => record.orphanId },
  { name: 'operator_id', type: 'uuid', of: ({ receipt }) => receipt.operatorId },
  { name: 'operator_message_id', type: 'text', of: ({ receipt }) => receipt.operatorMessageId },
  { name: 'raw_stat', type: 'text', of: ({ receipt }) => receipt.stat },
  { name: 'dlr_status', type: 'text', of: ({ receipt }) => receipt.dlrStatus },
  { name: 'raw_payload', type: 'jsonb', of: ({ receipt }) => storableJson(receipt) },
  { name: 'received_at', type: 'timestamptz', of: ({ receipt }) => receipt.receivedAt },
])
