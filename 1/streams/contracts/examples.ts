import type { TopicDeadLetter } from './dead-letter.ts'
import type { BridgeMark, OperatorHealth } from './operators.ts'
import type {
  DispatchCommand,
  DispatchRefused,
  OutboundCancel,
  OutboundDeadLetter,
  OutboundRequest,
  OutboundRetry,
  StatusEvent,
  SubmitResult,
} from './outbound.ts'
import type { AggregatedOutcome, BillingEvent, WebhookEvent } from './outcomes.ts'
import type {
  DlrRecord,
  InboundReceipt,
  ReceiptLookup,
  SegmentFact,
  SentSegment,
  UnmatchedReceipt,
} from './receipts.ts'

/**
 * One valid example of every event: the examples of the rulebook, each merged over their common
 * base [SC20]. Tests, contract tests and documentation start from these.
 */
const ids = {
  messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
  tenantId: '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21',
  accountId: 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33',
}
const operatorId = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'
const to = '+447700900123'
const enqueuedAt = '2026-04-18T10:23:40.000Z'
const sentAt = '2026-04-18T10:23:40.030Z'
const submittedAt = '2026-04-18T10:23:40.180Z'
const receivedAt = '2026-04-18T10:23:46.120Z'
const operatorMessageId = 'OP-MSG-20240418-00123'
const envelope = (eventId: string, occurredAt: string) => ({ schemaVersion: '1.0', eventId, occurredAt })
const metadata = { campaignId: 'camp-001' }
const segments = [{ segmentIndex: 1, status: 'DELIVERED' as const, errorCode: '000', receivedAt }]

const content = {
  ...ids,
  to,
  from: 'GHASI',
  body: 'Your code is 4711',
  messageType: 'SMS' as const,
  encoding: 'GSM7' as const,
  segmentCount: 1,
  enqueuedAt,
  expiresAt: '2026-04-20T10:23:40.000Z',
  metadata,
}

export const requestExample: OutboundRequest = {
  ...envelope('71e6b2de-c54b-5149-bc4d-1925e4067659', enqueuedAt),
  ...content,
}

const cancelled = envelope('e9ccdf3f-c0c1-5da7-8290-a4a8234ccd08', '2026-04-18T10:24:10.000Z')
const sendAt = '2026-04-18T12:00:00.000Z'
export const cancelExample: OutboundCancel = { ...cancelled, ...ids, enqueuedAt, sendAt }

export const retryExample: OutboundRetry = {
  ...envelope('a2e83961-c590-51d0-9e8f-59d04d292b86', '2026-04-18T10:23:40.210Z'),
  ...ids,
  attempt: 1,
  reason: 'UNAVAILABLE',
  failedAt: '2026-04-18T10:23:40.210Z',
  nextAttemptAt: '2026-04-18T10:23:41.210Z',
  enqueuedAt,
}

export const deadLetterExample: OutboundDeadLetter = {
  ...envelope('a28daaa7-56bd-52de-9c29-65b590fa074c', '2026-04-18T10:23:47.900Z'),
  ...content,
  attemptCount: 3,
  reason: 'max_attempts',
  failureReason: 'routing-engine UNAVAILABLE',
  finalStatus: 'DEAD_LETTER',
  seq: 6,
  failedAt: '2026-04-18T10:23:47.900Z',
}

export const statusExample: StatusEvent = {
  ...envelope('62ac2b3a-3e03-56aa-862d-fb31e98457bb', sentAt),
  ...ids,
  previousStatus: 'ROUTED',
  newStatus: 'SENT',
  seq: 4,
  attemptCount: 0,
  segmentCount: 1,
  enqueuedAt,
  operatorId,
  routeId: 'rt-44-a',
}

export const commandExample: DispatchCommand = {
  ...envelope('0b3bc664-d9fd-5e8c-93ae-346037be4cca', sentAt),
  ...content,
  longMessageStrategy: 'CSMS',
  operatorId,
  routeId: 'rt-44-a',
  routedAt: sentAt,
}

export const refusedExample: DispatchRefused = {
  ...envelope('5a4c7204-e4e9-5c04-923e-afa20b99c8b9', '2026-04-18T10:23:40.090Z'),
  ...ids,
  operatorId,
  seq: 4,
  reason: 'larger than max_payload of the server',
  command: commandExample,
}

export const submitResultExample: SubmitResult = {
  ...envelope('1edd9314-cb88-57aa-9713-5b4a0d9e9554', submittedAt),
  ...ids,
  operatorId,
  segmentIndex: 1,
  totalSegments: 1,
  outcome: 'ACCEPTED',
  operatorMessageId,
  commandStatus: 0,
  submittedAt,
  to,
  enqueuedAt,
  segmentCount: 1,
  metadata,
}

export const inboundReceiptExample: InboundReceipt = {
  ...envelope('46952cda-2fc3-5669-93b4-73b8e602d2d0', receivedAt),
  operatorId,
  operatorMessageId,
  stat: 'DELIVRD',
  errorCode: '000',
  deliveredAt: '2026-04-18T10:23:45.000Z',
  receivedAt,
  destAddr: to,
}

const receipt = {
  eventId: '46952cda-2fc3-5669-93b4-73b8e602d2d0',
  operatorId,
  operatorMessageId,
  stat: 'DELIVRD',
  errorCode: '000',
  deliveredAt: '2026-04-18T10:23:45.000Z',
  receivedAt,
  destAddr: to,
  dlrStatus: 'DELIVERED' as const,
  fingerprint: '60ea47d997d39973e152ebd10906c731720eb9e8898635777543b48c8d649d2a',
}

export const lookupExample: ReceiptLookup = {
  ...envelope('46952cda-2fc3-5669-93b4-73b8e602d2d0', receivedAt),
  canonicalId: operatorMessageId,
  receipt,
}

const sentSegment = {
  ...ids,
  operatorId,
  operatorMessageId,
  segmentIndex: 1,
  totalSegments: 1,
  to,
  submittedAt,
  expiresAt: '2026-04-21T10:23:40.180Z',
  enqueuedAt,
  segmentCount: 1,
  metadata,
}

export const sentExample: SentSegment = {
  ...envelope('1edd9314-cb88-57aa-9713-5b4a0d9e9554', submittedAt),
  ...sentSegment,
  canonicalId: operatorMessageId,
}

export const expectedFactExample: SegmentFact = {
  ...envelope('0b3bc664-d9fd-5e8c-93ae-346037be4cca', sentAt),
  kind: 'EXPECTED',
  ...ids,
  to,
  operatorId,
  segmentCount: 1,
  expectedSegments: 1,
  sentAt,
  enqueuedAt,
  metadata,
}

export const refusedFactExample: SegmentFact = {
  ...envelope('ee4fe28a-cc2f-58d9-828e-d07946561dbc', '2026-04-18T10:23:40.090Z'),
  kind: 'REFUSED',
  ...ids,
  sentAt,
}

export const receiptFactExample: SegmentFact = {
  ...envelope('46952cda-2fc3-5669-93b4-73b8e602d2d0', receivedAt),
  kind: 'RECEIPT',
  ...ids,
  enqueuedAt,
  segmentIndex: 1,
  totalSegments: 1,
  submission: { to, submittedAt, segmentCount: 1, metadata },
  receipt,
  correlatedAt: receivedAt,
}

export const recordExample: DlrRecord = {
  ...envelope('46952cda-2fc3-5669-93b4-73b8e602d2d0', receivedAt),
  kind: 'RECEIPT',
  ...ids,
  enqueuedAt,
  segmentIndex: 1,
  totalSegments: 1,
  receipt,
  correlatedAt: receivedAt,
  applied: true,
  messageOutcome: { status: 'DELIVERED', at: receivedAt, received: 1, expected: 1 },
}

export const unmatchedExample: UnmatchedReceipt = {
  ...envelope('a4c70081-ce75-5c51-b614-ad7297f68e0c', '2026-04-18T10:30:06.000Z'),
  orphanId: 'ffa79c7b-3e23-5444-92b8-b65fa551f96a',
  operatorMessageId: 'OP-MSG-404',
  operatorId,
  rawStat: 'UNDELIV',
  receivedAt: '2026-04-18T10:30:00.000Z',
}

export const aggregatedExample: AggregatedOutcome = {
  ...envelope('834997e6-a577-5c4b-af09-41dfae6e4a21', receivedAt),
  ...ids,
  status: 'DELIVERED',
  received: 1,
  expected: 1,
  closedBy: 'ALL_RECEIVED',
  operatorId,
  segments,
  enqueuedAt,
}

export const billingExample: BillingEvent = {
  ...envelope('78057a90-b5b2-52b9-85b2-7f7394edc986', receivedAt),
  ...ids,
  eventType: 'DLR_TERMINAL',
  dlrStatus: 'DELIVERED',
  segmentCount: 1,
  deliveredSegments: 1,
  operatorId,
}

export const webhookExample: WebhookEvent = {
  ...envelope('c0226b46-a155-571d-abfb-5f446602724b', receivedAt),
  ...ids,
  dlrStatus: 'DELIVERED',
  to,
  operatorId,
  metadata,
  segments,
}

export const healthExample: OperatorHealth = {
  ...envelope('15bbaca0-d19b-57e3-ae26-874583c72b2a', '2026-04-18T11:00:00.000Z'),
  version: '1.0',
  operatorId,
  operatorName: 'Roshan-AF',
  status: 'UNBOUND',
  previousStatus: 'BOUND',
  reason: 'enquire_link timeout',
}

export const topicDeadLetterExample: TopicDeadLetter = {
  ...envelope('6e2ddc57-2690-5255-909c-3d4d98d6c2c3', '2026-04-18T10:24:00.000Z'),
  sourceTopic: 'sms.dlr.inbound',
  sourcePartition: 3,
  sourceOffset: '4711',
  reason: 'schema',
  errors: [{ path: 'stat', message: 'required' }],
  payloadBase64: 'e30=',
  failedAt: '2026-04-18T10:24:00.000Z',
}

export const bridgeMarkExample: BridgeMark = {
  ...envelope('6e2ddc57-2690-5255-909c-3d4d98d6c2c3', '2026-04-18T10:24:00.000Z'),
  group: 'sms.bridge-out',
  topic: 'smpp.operator',
  partition: 0,
  acknowledged: 4711,
  topicId: 'aLCRbTfNTqqZAjBHgJ2hAg',
  sequences: { [operatorId]: 5102 },
}
