import type { DlrRecord, MessageOutcome, ReceiptFact } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { lateRowId, quarantineRowId, recordEventId } from '../../streams/domain/event-id.ts'
import { isTerminal } from '../../streams/domain/receipt/aggregate.ts'
import { segmentOf, type Aggregate, type Outcome } from './aggregate.ts'

/**
 * Rows for the sinks, one record per decision ([D30] to [D32]). What they say comes from the input
 * and the aggregate.
 */

type RecordOf<K extends DlrRecord['kind']> = Extract<DlrRecord, { kind: K }>

export const messageOutcome = (aggregate: Aggregate, outcome: Outcome): MessageOutcome => ({
  status: outcome.status,
  at: outcome.at,
  received: aggregate.terminal,
  expected: aggregate.expected,
})

export function receiptRecord(
  fact: ReceiptFact,
  applied: boolean,
  outcome?: MessageOutcome,
): RecordOf<'RECEIPT'> {
  const record: RecordOf<'RECEIPT'> = {
    schemaVersion: SCHEMA_VERSION,
    eventId: recordEventId('RECEIPT', fact.receipt.eventId),
    occurredAt: fact.correlatedAt,
    messageId: fact.messageId,
    tenantId: fact.tenantId,
    accountId: fact.accountId,
    enqueuedAt: fact.enqueuedAt,
    kind: 'RECEIPT',
    segmentIndex: fact.segmentIndex,
    totalSegments: fact.totalSegments,
    receipt: fact.receipt,
    correlatedAt: fact.correlatedAt,
    applied,
  }
  if (fact.submission !== undefined) record.submittedAt = fact.submission.submittedAt
  if (fact.release !== undefined) record.release = fact.release
  if (outcome !== undefined) record.messageOutcome = outcome
  return record
}

/** What ended a segment other than a receipt of its own. */
export interface SegmentEnd {
  readonly messageId: string
  readonly segmentIndex: number
  readonly totalSegments: number
  readonly commandStatus?: number | undefined
  /** Event id of the submit result; of another segment's receipt, with the index of this one. */
  readonly cause: string
}

export function segmentRecord(
  aggregate: Aggregate,
  end: SegmentEnd,
  outcome?: MessageOutcome,
): RecordOf<'SEGMENT'> {
  const { messageId, segmentIndex, totalSegments, commandStatus, cause } = end
  const {
    status,
    operatorId = aggregate.operatorId,
    receivedAt,
    errorCode,
  } = segmentOf(aggregate, segmentIndex)
  if (!isTerminal(status) || receivedAt === undefined)
    throw new Error(`segment ${segmentIndex} of message ${messageId} has not ended`)
  const record: RecordOf<'SEGMENT'> = {
    schemaVersion: SCHEMA_VERSION,
    eventId: recordEventId('SEGMENT', cause),
    occurredAt: receivedAt,
    messageId,
    tenantId: aggregate.tenantId,
    accountId: aggregate.accountId,
    enqueuedAt: aggregate.enqueuedAt,
    kind: 'SEGMENT',
    segmentIndex,
    totalSegments,
    operatorId,
    status,
    at: receivedAt,
  }
  if (errorCode !== undefined) record.errorCode = errorCode
  if (commandStatus !== undefined) record.commandStatus = commandStatus
  if (outcome !== undefined) record.messageOutcome = outcome
  return record
}

export function partialRecord(
  messageId: string,
  aggregate: Aggregate,
  outcome: Outcome,
): RecordOf<'PARTIAL_TIMEOUT'> {
  const record: RecordOf<'PARTIAL_TIMEOUT'> = {
    schemaVersion: SCHEMA_VERSION,
    eventId: recordEventId('PARTIAL_TIMEOUT', messageId),
    occurredAt: outcome.at,
    messageId,
    tenantId: aggregate.tenantId,
    accountId: aggregate.accountId,
    enqueuedAt: aggregate.enqueuedAt,
    kind: 'PARTIAL_TIMEOUT',
    received: aggregate.terminal,
    expected: aggregate.expected,
    at: outcome.at,
    messageOutcome: messageOutcome(aggregate, outcome),
  }
  if (outcome.closedBy === 'NOT_SENT') record.closedBy = 'NOT_SENT'
  return record
}

/** Without an outcome the message is not known any more [D17]. */
export function lateRecord(fact: ReceiptFact, outcome: Outcome | undefined): RecordOf<'LATE'> {
  const record: RecordOf<'LATE'> = {
    schemaVersion: SCHEMA_VERSION,
    eventId: recordEventId('LATE', fact.receipt.eventId),
    occurredAt: fact.correlatedAt,
    messageId: fact.messageId,
    tenantId: fact.tenantId,
    accountId: fact.accountId,
    enqueuedAt: fact.enqueuedAt,
    kind: 'LATE',
    lateId: lateRowId(fact.receipt.eventId),
    segmentIndex: fact.segmentIndex,
    receipt: fact.receipt,
    messageStatus: outcome?.status ?? null,
    terminalAt: outcome?.at ?? null,
  }
  if (fact.release !== undefined) record.release = fact.release
  return record
}

export const quarantinedRecord = (fact: ReceiptFact, outcome: Outcome): RecordOf<'QUARANTINED'> => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: recordEventId('QUARANTINED', fact.receipt.eventId),
  occurredAt: fact.correlatedAt,
  messageId: fact.messageId,
  tenantId: fact.tenantId,
  accountId: fact.accountId,
  enqueuedAt: fact.enqueuedAt,
  kind: 'QUARANTINED',
  segmentIndex: fact.segmentIndex,
  totalSegments: fact.totalSegments,
  quarantineId: quarantineRowId(fact.receipt.eventId),
  receipt: fact.receipt,
  terminalAt: outcome.at,
})
