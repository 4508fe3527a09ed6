import type { OperatorSample } from '../../streams/contracts/operators.ts'
import type { DlrRecord } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { sampleEventId } from '../../streams/domain/event-id.ts'
import { isTerminal } from '../../streams/domain/receipt/aggregate.ts'

/**
 * What a record says of its operator; undefined: nothing. A released receipt was counted when it
 * was held, and the end of a grace is nobody's word.
 */
export function sampleOf(record: DlrRecord): OperatorSample | undefined {
  if ('release' in record && record.release !== undefined) return undefined
  const { eventId, occurredAt } = record
  const envelope = { schemaVersion: SCHEMA_VERSION, eventId: sampleEventId(eventId), occurredAt }
  if (record.kind === 'PARTIAL_TIMEOUT') return undefined
  if (record.kind === 'SEGMENT') return { ...envelope, operatorId: record.operatorId, ended: record.status }
  const { operatorId } = record.receipt
  if (record.kind !== 'RECEIPT') return { ...envelope, operatorId, receipt: KIND_OF[record.kind] }
  return { ...envelope, operatorId, receipt: 'taken', ...endOf(record) }
}

const KIND_OF = { LATE: 'late', QUARANTINED: 'quarantined', ORPHAN: 'orphan' } as const

/** By our clocks on both sides: an operator's own dates are in minutes, and in whichever zone. */
function endOf({
  applied,
  receipt,
  submittedAt,
}: Extract<DlrRecord, { kind: 'RECEIPT' }>): Pick<OperatorSample, 'ended' | 'latencyMs'> {
  const { dlrStatus, receivedAt } = receipt
  if (!applied || dlrStatus === 'UNKNOWN' || !isTerminal(dlrStatus)) return {}
  if (dlrStatus !== 'DELIVERED' || submittedAt === undefined) return { ended: dlrStatus }
  return { ended: dlrStatus, latencyMs: Math.max(0, Date.parse(receivedAt) - Date.parse(submittedAt)) }
}
