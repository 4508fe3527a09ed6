import { receiptRowId } from '../../../streams/domain/event-id.ts'
import type { RecordOf } from './record-kinds.ts'
import { insertOnce } from '../statement.ts'

/**
 * One row per identity (operator, its message id, canonical status): a duplicate finds its row
 * there [DB21].
 */
export const insertReceipts = insertOnce<RecordOf<'RECEIPT'>>('dlr.delivery_receipts', [
  {
    name: 'receipt_id',
    type: 'uuid',
    of: ({ receipt }) => receiptRowId(receipt.operatorId, receipt.operatorMessageId, receipt.dlrStatus),
  },
  { name: 'message_id', type: 'uuid', of: (record) => record.messageId },
  { name: 'tenant_id', type: 'uuid', of: (record) => record.tenantId },
  { name: 'account_id', type: 'uuid', of: (record) => record.accountId },
  { name: 'operator_id', type: 'uuid', of: ({ receipt }) => receipt.operatorId },
  { name: 'operator_message_id', type: 'text', of: ({ receipt }) => receipt.operatorMessageId },
  { name: 'segment_index', type: 'integer', of: (record) => record.segmentIndex },
  { name: 'total_segments', type: 'integer', of: (record) => record.totalSegments },
  { name: 'raw_stat', type: 'text', of: ({ receipt }) => receipt.stat },
  { name: 'dlr_status', type: 'text', of: ({ receipt }) => receipt.dlrStatus },
  { name: 'error_code', type: 'text', of: ({ receipt }) => receipt.errorCode ?? null },
  { name: 'delivered_at', type: 'timestamptz', of: ({ receipt }) => receipt.deliveredAt },
  { name: 'received_at', type: 'timestamptz', of: ({ receipt }) => receipt.receivedAt },
  { name: 'correlated_at', type: 'timestamptz', of: (record) => record.correlatedAt },
  { name: 'applied', type: 'boolean', of: (record) => record.applied },
  { name: 'source_addr', type: 'text', of: ({ receipt }) => receipt.sourceAddr ?? null },
  { name: 'dest_addr', type: 'text', of: ({ receipt }) => receipt.destAddr ?? null },
  { name: 'enqueued_at', type: 'timestamptz', of: (record) => record.enqueuedAt },
])
