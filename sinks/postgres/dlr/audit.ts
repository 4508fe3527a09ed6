import type { RecordOf } from './record-kinds.ts'
import { insertOnce } from '../statement.ts'
import { storableJson } from '../storable.ts'

/** Messages that were closed by the end of their grace [D31], [D26b]. */
export const insertPartialTimeouts = insertOnce<RecordOf<'PARTIAL_TIMEOUT'>>('dlr.audit_log', [
  { name: 'audit_id', type: 'uuid', of: (record) => record.eventId },
  { name: 'kind', type: 'text', of: (record) => record.kind },
  { name: 'message_id', type: 'uuid', of: (record) => record.messageId },
  { name: 'tenant_id', type: 'uuid', of: (record) => record.tenantId },
  { name: 'received', type: 'integer', of: (record) => record.received },
  { name: 'expected', type: 'integer', of: (record) => record.expected },
  { name: 'at', type: 'timestamptz', of: (record) => record.at },
  {
    name: 'detail',
    type: 'jsonb',
    of: ({ accountId, enqueuedAt, closedBy = 'GRACE_EXPIRED' }) =>
      storableJson({ accountId, enqueuedAt, closedBy }),
  },
])
