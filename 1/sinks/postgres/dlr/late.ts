import type { RecordOf } from './record-kinds.ts'
import { insertOnce } from '../statement.ts'
import { storableJson } from '../storable.ts'

/**
 * Receipts that came after their message had its outcome [D20]. They change nothing but are kept.
 */
export const insertLate = insertOnce<RecordOf<'LATE'>>('dlr.late_dlrs', [
  { name: 'late_id', type: 'uuid', of: (record) => record.lateId },
  { name: 'message_id', type: 'uuid', of: (record) => record.messageId },
  { name: 'operator_id', type: 'uuid', of: ({ receipt }) => receipt.operatorId },
  { name: 'operator_message_id', type: 'text', of: ({ receipt }) => receipt.operatorMessageId },
  { name: 'segment_index', type: 'integer', of: (record) => record.segmentIndex },
  { name: 'raw_stat', type: 'text', of: ({ receipt }) => receipt.stat },
  { name: 'dlr_status', type: 'text', of: ({ receipt }) => receipt.dlrStatus },
  { name: 'message_status', type: 'text', of: (record) => record.messageStatus },
  { name: 'terminal_at', type: 'timestamptz', of: (record) => record.terminalAt },
  { name: 'received_at', type: 'timestamptz', of: ({ receipt }) => receipt.receivedAt },
  { name: 'payload', type: 'jsonb', of: ({ receipt }) => storableJson(receipt) },
])
