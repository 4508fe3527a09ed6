import type { SubmitResult } from '../../streams/contracts/outbound.ts'
import type { DlrRecord, MessageOutcome, ReceiptFact } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { lateRowId, quarantineRowId, recordEventId } from '../../streams/domain/event-id.ts'
import type { Aggregate, Outcome } from './aggregate.ts'

/** Rows for the sinks, one record per decision (spec pipeline.md §3.6). What they say comes from the input and the aggregate. */

type RecordOf<K extends DlrRecord['kind']> = Extract<DlrRecord, { kind: K }>

const envelope = (kind: DlrRecord['kind'], cause: string, occurredAt: string) => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: recordEventId(kind, cause),
  occurredAt,
})

const whose = (of: ReceiptFact | SubmitResult) => ({
  messageId: of.messageId,
  tenantId: of.tenantId,
  accountId: of.accountId,
  enqueuedAt: of.enqueuedAt,
})

const released = ({ release }: ReceiptFact) => (release === undefined ? {} : { release })

export const messageOutcome = (aggregate: Aggregate, outcome: Outcome): MessageOutcome => ({
  status: outcome.status,
  at: outcome.at,
  received: aggregate.terminal,
  expected: aggregate.expected,
})

export const receiptRecord = (
  fact: ReceiptFact,
  applied: boolean,
  outcome?: MessageOutcome,
): RecordOf<'RECEIPT'> => ({
  ...envelope('RECEIPT', fact.receipt.eventId, fact.correlatedAt),
  ...whose(fact),
  kind: 'RECEIPT',
  segmentIndex: fact.segmentIndex,
  totalSegments: fact.totalSegments,
  receipt: fact.receipt,
  correlatedAt: fact.correlatedAt,
  applied,
  ...released(fact),
  ...(outcome !== undefined && { messageOutcome: outcome }),
})

export const segmentRecord = (
  result: SubmitResult,
  status: 'REJECTED' | 'EXPIRED',
  outcome?: MessageOutcome,
): RecordOf<'SEGMENT'> => ({
  ...envelope('SEGMENT', result.eventId, result.submittedAt),
  ...whose(result),
  kind: 'SEGMENT',
  segmentIndex: result.segmentIndex,
  totalSegments: result.totalSegments,
  operatorId: result.operatorId,
  status,
  at: result.submittedAt,
  ...(result.commandStatus !== undefined && { commandStatus: result.commandStatus }),
  ...(outcome !== undefined && { messageOutcome: outcome }),
})

export const partialRecord = (
  messageId: string,
  aggregate: Aggregate,
  outcome: Outcome,
): RecordOf<'PARTIAL_TIMEOUT'> => ({
  ...envelope('PARTIAL_TIMEOUT', messageId, outcome.at),
  messageId,
  tenantId: aggregate.tenantId,
  accountId: aggregate.accountId,
  enqueuedAt: aggregate.enqueuedAt,
  kind: 'PARTIAL_TIMEOUT',
  received: aggregate.terminal,
  expected: aggregate.expected,
  at: outcome.at,
  messageOutcome: messageOutcome(aggregate, outcome),
})

/** Without an outcome the message is not known any more (D17). */
export const lateRecord = (fact: ReceiptFact, outcome: Outcome | undefined): RecordOf<'LATE'> => ({
  ...envelope('LATE', fact.receipt.eventId, fact.correlatedAt),
  ...whose(fact),
  kind: 'LATE',
  lateId: lateRowId(fact.receipt.eventId),
  segmentIndex: fact.segmentIndex,
  receipt: fact.receipt,
  messageStatus: outcome?.status ?? null,
  terminalAt: outcome?.at ?? null,
  ...released(fact),
})

export const quarantinedRecord = (fact: ReceiptFact, outcome: Outcome): RecordOf<'QUARANTINED'> => ({
  ...envelope('QUARANTINED', fact.receipt.eventId, fact.correlatedAt),
  ...whose(fact),
  kind: 'QUARANTINED',
  segmentIndex: fact.segmentIndex,
  totalSegments: fact.totalSegments,
  quarantineId: quarantineRowId(fact.receipt.eventId),
  receipt: fact.receipt,
  terminalAt: outcome.at,
})
