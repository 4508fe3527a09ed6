import type { OutboundDeadLetter } from '../../../streams/contracts/outbound.ts'
import { insertOnce } from '../statement.ts'
import { storableJson } from '../storable.ts'

/** One row a dead letter, with the whole event [DB7]. A replay [T12] starts from here [RP6]. */
export const insertDeadLetters = insertOnce<OutboundDeadLetter>('orch.dead_letters', [
  { name: 'dead_letter_id', type: 'uuid', of: (dead) => dead.eventId },
  { name: 'message_id', type: 'uuid', of: (dead) => dead.messageId },
  { name: 'tenant_id', type: 'uuid', of: (dead) => dead.tenantId },
  { name: 'account_id', type: 'uuid', of: (dead) => dead.accountId },
  { name: 'enqueued_at', type: 'timestamptz', of: (dead) => dead.enqueuedAt },
  { name: 'reason', type: 'text', of: (dead) => dead.reason },
  { name: 'failure_reason', type: 'text', of: (dead) => dead.failureReason },
  { name: 'attempt_count', type: 'integer', of: (dead) => dead.attemptCount },
  { name: 'payload', type: 'jsonb', of: (dead) => storableJson(dead) },
  { name: 'failed_at', type: 'timestamptz', of: (dead) => dead.failedAt },
])
