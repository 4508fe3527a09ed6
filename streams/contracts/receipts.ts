import { z } from 'zod'
import { CANONICAL_STATUSES, OUTCOMES, TERMINAL_SEGMENT_STATUSES } from '../domain/statuses.ts'
import { count, e164, envelope, ids, instant, metadata, ordinal, topic, uuid } from './topic.ts'

/**
 * The way back: receipts as received [SC7], correlated [SC13], and what became of each [SC9]
 * [SC13].
 */

const received = {
  operatorId: uuid,
  operatorMessageId: z.string().min(1).max(64),
  /** Other ids that the same receipt carried, in the order in which they are to be tried. */
  alternateIds: z.array(z.string().min(1).max(64)).max(3).exactOptional(),
  stat: z.string().min(1).max(32),
  errorCode: z.string().max(32).exactOptional(),
  messageId: uuid.exactOptional(),
  segmentIndex: ordinal.exactOptional(),
  totalSegments: ordinal.exactOptional(),
  /** Whose message it is: only on a released receipt, from the quarantine payload [D8]. */
  tenantId: uuid.exactOptional(),
  accountId: uuid.exactOptional(),
  enqueuedAt: instant.exactOptional(),
  sourceAddr: z.string().exactOptional(),
  destAddr: z.string().exactOptional(),
  rawPayload: z.record(z.string(), z.unknown()).exactOptional(),
}

/**
 * [SC7], DlrInboundEvent v1.0. `deliveredAt` absent means null, `receivedAt` absent means
 * occurredAt.
 */
export const InboundReceipt = z.object({
  ...envelope,
  ...received,
  deliveredAt: instant.nullable().exactOptional(),
  receivedAt: instant.exactOptional(),
})
export type InboundReceipt = z.infer<typeof InboundReceipt>
export const inboundReceipts = topic(
  'sms.dlr.inbound',
  InboundReceipt,
  (receipt) => `${receipt.operatorId}:${receipt.operatorMessageId}`,
  { operatorHeader: true },
)

/**
 * Says that a person has released the receipt, and from what: the id of its quarantine, or of the
 * orphan that was given to a message by hand [EV55].
 */
export const RELEASE_HEADER = 'X-Dlr-Release'

const release = z.object({ quarantineId: uuid })

/**
 * A receipt that `intake` has taken: complete, normalised, fingerprinted. `eventId` is that of the
 * inbound event.
 */
export const Receipt = z.object({
  ...received,
  eventId: uuid,
  deliveredAt: instant.nullable(),
  receivedAt: instant,
  dlrStatus: z.enum(CANONICAL_STATUSES),
  fingerprint: z.string(),
})
export type Receipt = z.infer<typeof Receipt>

/** Four ids of a receipt, each in up to four readings. */
const CANDIDATES_MAX = 16

/** How far the looks for a receipt have come that is sent round its candidates again [D9]. */
export const Looks = z.object({
  /** Looks that count. */
  looks: z.number().int(),
  /** Ends of the submit results at the last look that counts. */
  results: z.array(z.number().int()).exactOptional(),
  /** The next look, epoch milliseconds. */
  nextMs: z.number().int(),
})
export type Looks = z.infer<typeof Looks>

/** What a candidate that found nothing tells the next one [K5]. */
export const HandOn = z.object({
  canonicalId: z.string(),
  looks: Looks.exactOptional(),
  /** The first candidate under which only another subscriber's segments are known [K6]. */
  stranger: z.string().exactOptional(),
  /** The looks have found nobody with the subscriber's number: the id alone decides here. */
  byIdAlone: z.literal(true).exactOptional(),
})
export type HandOn = z.infer<typeof HandOn>

export const ReceiptLookup = z.object({
  ...envelope,
  /** Under which it is looked for now. */
  ...HandOn.shape,
  /** All of them in their order, when there are several [K4]. */
  candidates: z.array(z.string()).max(CANDIDATES_MAX).exactOptional(),
  receipt: Receipt,
  release: release.exactOptional(),
})
export type ReceiptLookup = z.infer<typeof ReceiptLookup>
export const receiptLookups = topic(
  'dlr.lookup',
  ReceiptLookup,
  (lookup) => `${lookup.receipt.operatorId}:${lookup.canonicalId}`,
)

const sentSegment = {
  ...ids,
  operatorId: uuid,
  operatorMessageId: z.string().min(1).max(64),
  segmentIndex: ordinal,
  totalSegments: ordinal,
  to: e164,
  submittedAt: instant,
  expiresAt: instant,
  enqueuedAt: instant,
  segmentCount: ordinal,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
}

/**
 * A segment that its operator accepted. Receipts may come until `expiresAt` [K8].
 */
export const SentSegment = z.object({ ...envelope, ...sentSegment, canonicalId: z.string() })
export type SentSegment = z.infer<typeof SentSegment>
export const sentSegments = topic('dlr.sent', SentSegment, (sent) => `${sent.operatorId}:${sent.canonicalId}`)

export const ExpectedFact = z.object({
  ...envelope,
  kind: z.literal('EXPECTED'),
  ...ids,
  to: e164,
  operatorId: uuid,
  segmentCount: ordinal,
  /** Parts on the wire: 1 with the TLV strategy. */
  expectedSegments: ordinal,
  sentAt: instant,
  enqueuedAt: instant,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
})
export type ExpectedFact = z.infer<typeof ExpectedFact>

/**
 * The command that an EXPECTED fact told of was refused by NATS, so no operator has it [T10]: the
 * message is not waited for, and not billed.
 */
export const RefusedFact = z.object({
  ...envelope,
  kind: z.literal('REFUSED'),
  ...ids,
  /** As the EXPECTED fact has it. */
  sentAt: instant,
})
export type RefusedFact = z.infer<typeof RefusedFact>

/**
 * What the row of `dlr.sent` knows and a released receipt does not: without it no message can be
 * opened.
 */
export const Submission = z.object({
  to: e164,
  submittedAt: instant,
  segmentCount: ordinal,
  callbackUrl: z.string().exactOptional(),
  metadata: metadata.exactOptional(),
})
export type Submission = z.infer<typeof Submission>

/** A receipt joined with its segment. `correlatedAt` is the time of the join. */
export const ReceiptFact = z.object({
  ...envelope,
  kind: z.literal('RECEIPT'),
  ...ids,
  enqueuedAt: instant,
  segmentIndex: ordinal,
  totalSegments: ordinal,
  /** Absent only when a released receipt was taken as correlated without a row. */
  submission: Submission.exactOptional(),
  receipt: Receipt,
  correlatedAt: instant,
  release: release.exactOptional(),
})
export type ReceiptFact = z.infer<typeof ReceiptFact>

export const SegmentFact = z.discriminatedUnion('kind', [ExpectedFact, RefusedFact, ReceiptFact])
export type SegmentFact = z.infer<typeof SegmentFact>
export const segmentFacts = topic('dlr.segment.facts', SegmentFact, (fact) => fact.messageId)

/** [SC9]. */
export const UnmatchedReceipt = z.object({
  ...envelope,
  orphanId: uuid,
  operatorMessageId: z.string().max(64),
  operatorId: uuid,
  rawStat: z.string().max(32),
  receivedAt: instant,
})
export type UnmatchedReceipt = z.infer<typeof UnmatchedReceipt>
export const unmatchedReceipts = topic(
  'sms.dlr.unmatched',
  UnmatchedReceipt,
  (unmatched) => `${unmatched.operatorId}:${unmatched.operatorMessageId}`,
)

/** Present on the record that closed its message: the row of the message takes it. */
export const MessageOutcome = z.object({
  status: z.enum(OUTCOMES),
  at: instant,
  received: count,
  expected: ordinal,
})
export type MessageOutcome = z.infer<typeof MessageOutcome>

const messageRecord = {
  ...envelope,
  ...ids,
  enqueuedAt: instant,
  messageOutcome: MessageOutcome.exactOptional(),
}
const place = { segmentIndex: ordinal, totalSegments: ordinal }

/** One record per decided receipt or segment: what the sinks write [D30] to [D32]. */
export const DlrRecord = z.discriminatedUnion('kind', [
  z.object({
    ...messageRecord,
    ...place,
    kind: z.literal('RECEIPT'),
    receipt: Receipt,
    correlatedAt: instant,
    /** When the operator took the segment; absent when nobody knows [D8]. */
    submittedAt: instant.exactOptional(),
    /** True when it changed the segment's status. */
    applied: z.boolean(),
    release: release.exactOptional(),
  }),
  z.object({
    ...messageRecord,
    ...place,
    kind: z.literal('SEGMENT'),
    operatorId: uuid,
    /** Of its submission, or of the only segment that its operator reports on [PD2]. */
    status: z.enum(TERMINAL_SEGMENT_STATUSES),
    at: instant,
    errorCode: z.string().max(32).exactOptional(),
    commandStatus: count.exactOptional(),
  }),
  z.object({
    ...messageRecord,
    kind: z.literal('PARTIAL_TIMEOUT'),
    received: count,
    expected: ordinal,
    at: instant,
    /** Absent: GRACE_EXPIRED. */
    closedBy: z.literal('NOT_SENT').exactOptional(),
  }),
  z.object({ ...envelope, kind: z.literal('ORPHAN'), orphanId: uuid, receipt: Receipt }),
  z.object({
    ...messageRecord,
    kind: z.literal('LATE'),
    lateId: uuid,
    segmentIndex: ordinal,
    receipt: Receipt,
    messageStatus: z.enum(OUTCOMES).nullable(),
    terminalAt: instant.nullable(),
    release: release.exactOptional(),
  }),
  z.object({
    ...messageRecord,
    ...place,
    kind: z.literal('QUARANTINED'),
    quarantineId: uuid,
    receipt: Receipt,
    terminalAt: instant,
  }),
])
export type DlrRecord = z.infer<typeof DlrRecord>
export const dlrRecords = topic('dlr.records', DlrRecord, (record) =>
  record.kind === 'ORPHAN'
    ? `${record.receipt.operatorId}:${record.receipt.operatorMessageId}`
    : record.messageId,
)
