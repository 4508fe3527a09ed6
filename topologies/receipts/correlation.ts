import { z } from 'zod'
import type { ReadingProgress } from '../../streams/contracts/lookups.ts'
import type { Answer } from '../../streams/contracts/question.ts'
import {
  HandOn,
  ReceiptLookup,
  type DlrRecord,
  type ReceiptFact,
  type UnmatchedReceipt,
} from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION, uuid } from '../../streams/contracts/topic.ts'
import {
  orphanRowId,
  receiptFactEventId,
  recordEventId,
  unmatchedEventId,
} from '../../streams/domain/event-id.ts'
import { instantOf } from '../instant.ts'
import { LOOKS_MAX, nextCandidate, stageOf, toNext } from './candidates.ts'
import { matchOf, submissionOf, Submitted } from './submissions.ts'

/**
 * What `correlate` keeps for an operator's message id, how it decides, and what each decision says.
 */

/**
 * What became of a receipt: joined with a submission, taken on the word of its release, an orphan,
 * or handed on to another of its ids. The receipt's event id stands for the position: `intake` lets
 * it pass once, so a second lookup of one event in one stage is the first one read again.
 */
export const Decision = z.object({
  eventId: uuid,
  /** Epoch milliseconds. */
  at: z.number().int(),
  as: z.enum(['joined', 'released', 'orphan', 'handed']),
  /** Event id of the submission that it was joined with. */
  sent: uuid.exactOptional(),
  /** Of the lookup, when it was not the first one of its receipt here. */
  stage: z.number().int().exactOptional(),
  /** What it was handed on with. */
  next: HandOn.exactOptional(),
})
export type Decision = z.infer<typeof Decision>

export const Waiting = z.object({
  lookup: ReceiptLookup,
  /** Looks that count. */
  looks: z.number().int(),
  /**
   * Ends of the submit results at the last look that counts: before they have been read no further
   * look does.
   */
  results: z.array(z.number().int()).exactOptional(),
  /** The next look, epoch milliseconds. */
  nextMs: z.number().int(),
})
export type Waiting = z.infer<typeof Waiting>

export const Correlation = z.object({
  /** Submissions under this id, the newest first. */
  sents: z.array(Submitted),
  waiting: z.array(Waiting),
  decided: z.array(Decision),
})
export type Correlation = z.infer<typeof Correlation>

export const NOTHING_KNOWN: Correlation = { sents: [], waiting: [], decided: [] }

/**
 * Identities times minutes of a wait give a dozen. Beyond this the oldest is settled as an orphan
 * at once [K9].
 */
export const WAITING_MAX = 32
/** The same of their bytes: a row is one record of a changelog, which takes 1 MiB (fault R3). */
export const WAITING_BYTES_MAX = 512 * 1024
/**
 * As many receipts as `intake` remembers of an id, each passing it once in each look and once more.
 * What exceeds it is decided as usual and not remembered.
 */
export const DECIDED_MAX = 128
/** What a row may hold. A simulation has it full sooner. */
export interface CorrelationLimits {
  readonly waitingMax: number
  readonly decidedMax: number
}
export const CORRELATION_LIMITS: CorrelationLimits = { waitingMax: WAITING_MAX, decidedMax: DECIDED_MAX }
/** As long as `intake` remembers: until then a receipt read again there arrives here again. */
export const DECISION_LIFETIME_MS = 72 * 3_600_000
export const LOOK_AGAIN_AFTER_MS = 3000

/** How many of the oldest have to go; the newest stays in any case. */
export function excessOf(all: readonly Waiting[], { waitingMax }: CorrelationLimits): number {
  let count = Math.max(0, all.length - waitingMax)
  let bytes = 0
  for (let at = all.length - 1; at >= count; at -= 1) {
    bytes += Buffer.byteLength(JSON.stringify(all[at]))
    if (bytes > WAITING_BYTES_MAX && at < all.length - 1) count = at + 1
  }
  return count
}

const about = (lookup: ReceiptLookup, at: number): Omit<Decision, 'as'> => {
  const stage = stageOf(lookup)
  const { eventId } = lookup.receipt
  return stage === 1 ? { eventId, at } : { eventId, at, stage }
}

/** A lookup that was read before. */
export const knownDecision = ({ decided }: Correlation, lookup: ReceiptLookup): Decision | undefined =>
  decided.find(({ eventId, stage = 1 }) => eventId === lookup.receipt.eventId && stage === stageOf(lookup))

/** [D7], [D8], [K5]; null: not yet [D9]. */
export function decided({ sents }: Correlation, lookup: ReceiptLookup, at: number): Decision | null {
  const match = matchOf(sents, lookup)
  const byIdAlone = lookup.byIdAlone === true
  if (match.kind === 'found' || (match.kind === 'stranger' && byIdAlone))
    return { ...about(lookup, at), as: 'joined', sent: match.sent.eventId }
  if (byIdAlone) return orphaned(lookup, at)
  const next = nextCandidate(lookup)
  if (next !== undefined)
    return { ...about(lookup, at), as: 'handed', next: toNext(lookup, next, match.kind === 'stranger') }
  return lookup.release !== undefined && ownersOf(lookup) !== null
    ? { ...about(lookup, at), as: 'released' }
    : null
}

/**
 * All looks were in vain [D10]. A receipt whose number fits nobody is not given up while there is
 * somebody with its id: operators may report a number that we do not know as the message's.
 */
export function givenUp({ sents }: Correlation, lookup: ReceiptLookup, at: number): Decision {
  const match = matchOf(sents, lookup)
  if (match.kind !== 'none') return { ...about(lookup, at), as: 'joined', sent: match.sent.eventId }
  const { stranger } = lookup
  if (stranger === undefined) return orphaned(lookup, at)
  return { ...about(lookup, at), as: 'handed', next: { canonicalId: stranger, byIdAlone: true } }
}

/**
 * A look that counts goes to every candidate, not only to the one that waits: the submission may
 * have come under any of them meanwhile.
 */
export function sentRound(before: Waiting, after: Waiting, at: number): Decision | null {
  const { lookup, looks, nextMs, results } = after
  const [first] = lookup.candidates ?? []
  if (first === undefined || looks === before.looks) return null
  const next: HandOn = {
    canonicalId: first,
    looks: { looks, ...(results !== undefined && { results }), nextMs },
  }
  if (lookup.stranger !== undefined) next.stranger = lookup.stranger
  return { ...about(lookup, at), as: 'handed', next }
}

/**
 * [D9]: what a look that found nothing means. It counts when all submit results have been read that
 * were there at the look before: those are late or down at times, and a receipt is not an orphan
 * for that. So at the third look every result that was in NATS when the receipt came is on the log
 * as a submission. The receipt is given up only when that too has been read: a timer waits for what
 * the log held when it became due. Looks are spaced from the answer's time, because after a backlog
 * their record times lie in the past.
 */
export function lookedAgain(
  waiting: Waiting,
  answer: Answer<ReadingProgress> | undefined,
  dueMs: number,
): Waiting | null {
  if (waiting.looks >= LOOKS_MAX) return null
  const at = Math.max(dueMs, answer?.at ?? dueMs)
  const again: Waiting = { ...waiting, nextMs: at + LOOK_AGAIN_AFTER_MS }
  if (answer?.kind !== 'found') return again
  const { ends, read } = answer.value
  const { results } = waiting
  // A topic on the way was made again or cut back: what the look before has counted is not there.
  if (results?.some((end, place) => (ends[place] ?? 0) < end)) return { ...again, results: [...ends] }
  if (results?.some((end, place) => (read[place] ?? 0) < end)) return again
  const looks = waiting.looks + (results === undefined ? 0 : 1)
  return { ...again, looks, results: [...ends], ...(looks >= LOOKS_MAX && { nextMs: at }) }
}

export const orphaned = (lookup: ReceiptLookup, at: number): Decision => ({
  ...about(lookup, at),
  as: 'orphan',
})

const envelope = (eventId: string, atMs: number) => ({
  schemaVersion: SCHEMA_VERSION,
  eventId,
  occurredAt: instantOf(atMs),
})

type Place = Pick<
  ReceiptFact,
  'messageId' | 'tenantId' | 'accountId' | 'enqueuedAt' | 'segmentIndex' | 'totalSegments'
>

/**
 * What a decision to take the receipt says; null when the submission that it was joined with has
 * been dropped since.
 */
export function factOf(
  lookup: ReceiptLookup,
  decision: Decision,
  sents: readonly Submitted[],
): ReceiptFact | null {
  const sent = sents.find((candidate) => candidate.eventId === decision.sent)
  const place = decision.as === 'released' ? ownersOf(lookup) : sent
  if (place === undefined || place === null) return null
  const at = instantOf(decision.at)
  const fact: ReceiptFact = {
    schemaVersion: SCHEMA_VERSION,
    eventId: receiptFactEventId(decision.eventId),
    occurredAt: at,
    kind: 'RECEIPT',
    messageId: place.messageId,
    tenantId: place.tenantId,
    accountId: place.accountId,
    enqueuedAt: place.enqueuedAt,
    segmentIndex: place.segmentIndex,
    totalSegments: place.totalSegments,
    receipt: lookup.receipt,
    correlatedAt: at,
  }
  if (sent !== undefined) fact.submission = submissionOf(sent)
  if (lookup.release !== undefined) fact.release = lookup.release
  return fact
}

/** [D8]: the message and segment that the quarantine stored with the receipt. */
function ownersOf({ receipt }: ReceiptLookup): Place | null {
  const { messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments } = receipt
  if (messageId === undefined || tenantId === undefined || accountId === undefined) return null
  if (enqueuedAt === undefined || segmentIndex === undefined || totalSegments === undefined) return null
  return { messageId, tenantId, accountId, enqueuedAt, segmentIndex, totalSegments }
}

export const orphanRecord = ({ receipt }: ReceiptLookup, { eventId, at }: Decision): DlrRecord => ({
  ...envelope(recordEventId('ORPHAN', eventId), at),
  kind: 'ORPHAN',
  orphanId: orphanRowId(eventId),
  receipt,
})

export const unmatchedEvent = ({ receipt }: ReceiptLookup, { eventId, at }: Decision): UnmatchedReceipt => ({
  ...envelope(unmatchedEventId(orphanRowId(eventId)), at),
  orphanId: orphanRowId(eventId),
  operatorMessageId: receipt.operatorMessageId,
  operatorId: receipt.operatorId,
  rawStat: receipt.stat,
  receivedAt: receipt.receivedAt,
})
