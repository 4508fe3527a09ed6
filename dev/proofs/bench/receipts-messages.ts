import { randomUUID } from 'node:crypto'
import type { SubmitResult } from '../../../streams/contracts/outbound.ts'
import type { ExpectedFact, InboundReceipt } from '../../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../../streams/contracts/topic.ts'
import { expectedFactEventId, receiptEventId, submitResultEventId } from '../../../streams/domain/event-id.ts'
import { LOCAL_OPERATORS } from '../../local/operators.ts'

/** A message of one segment that its operator has accepted and not yet delivered. */
export interface SentMessage {
  readonly messageId: string
  readonly tenantId: string
  readonly accountId: string
  readonly operatorId: string
  readonly operatorMessageId: string
  readonly to: string
  readonly atMs: number
}

const SENT_SEQ = 4
const TENANTS = Array.from({ length: 8 }, () => ({ tenantId: randomUUID(), accountId: randomUUID() }))
const digits = (value: number, length: number): string => String(value).padStart(length, '0')
const instantOf = (ms: number): string => new Date(ms).toISOString()

export function sentMessages(count: number, atMs: number): readonly SentMessage[] {
  const operators = LOCAL_OPERATORS.map(({ operatorId }) => operatorId)
  return Array.from({ length: count }, (_, index) => ({
    messageId: randomUUID(),
    ...pick(TENANTS, index),
    operatorId: pick(operators, index),
    operatorMessageId: randomUUID(),
    to: `+447700${digits(index % 1_000_000, 6)}`,
    atMs,
  }))
}

function pick<T>(list: readonly T[], index: number): T {
  const one = list[index % list.length]
  if (one === undefined) throw new Error('nothing to pick from')
  return one
}

const aboutOf = ({ messageId, tenantId, accountId, operatorId, to, atMs }: SentMessage) => ({
  messageId,
  tenantId,
  accountId,
  operatorId,
  to,
  segmentCount: 1,
  enqueuedAt: instantOf(atMs),
})

export const expectedOf = (message: SentMessage): ExpectedFact => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: expectedFactEventId(message.messageId, SENT_SEQ),
  occurredAt: instantOf(message.atMs),
  kind: 'EXPECTED',
  ...aboutOf(message),
  expectedSegments: 1,
  sentAt: instantOf(message.atMs),
})

export function acceptedOf(message: SentMessage): SubmitResult {
  const submittedAt = instantOf(message.atMs)
  const result = {
    ...aboutOf(message),
    segmentIndex: 1,
    totalSegments: 1,
    outcome: 'ACCEPTED' as const,
    operatorMessageId: message.operatorMessageId,
    submittedAt,
  }
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: submitResultEventId(result),
    occurredAt: submittedAt,
    ...result,
  }
}

/** `atMs`: when the gateway is to have received it. */
export function receiptOf(message: SentMessage, atMs: number): InboundReceipt {
  const { messageId, operatorId, operatorMessageId, to } = message
  const receivedAt = instantOf(atMs)
  const said = { operatorId, operatorMessageId, stat: 'DELIVRD', receivedAt }
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: receiptEventId(said),
    occurredAt: receivedAt,
    messageId,
    ...said,
    sourceAddr: to,
    destAddr: 'GHASI',
    deliveredAt: receivedAt,
  }
}
