import type { z } from 'zod'
import { SentSegment, type ReceiptLookup, type Submission } from '../../streams/contracts/receipts.ts'
import { phoneDigits, sharedDigits } from '../../streams/domain/receipt/subscriber.ts'

/**
 * What was submitted under one id, and for which of it a receipt speaks. Operators give an id out
 * again, some within the hour.
 */

/**
 * What a row keeps of a submission. There is a row for every segment of the last
 * `CORRELATION_HOURS`, so what its key or its event says already is left out.
 */
export const Submitted = SentSegment.pick({
  eventId: true,
  messageId: true,
  tenantId: true,
  accountId: true,
  segmentIndex: true,
  totalSegments: true,
  to: true,
  submittedAt: true,
  expiresAt: true,
  enqueuedAt: true,
  segmentCount: true,
  callbackUrl: true,
  metadata: true,
})
export type Submitted = z.infer<typeof Submitted>

/** Of one id [K7]. Beyond it the oldest is dropped: its receipts are the least likely to come. */
export const SUBMISSIONS_MAX = 16
/** The same of their bytes: a row is one record of a changelog, which takes 1 MiB (fault R3). */
const SUBMISSIONS_BYTES_MAX = 256 * 1024

/**
 * With one more, the newest first, and without those that have expired. `now` is an instant, and
 * all instants are of one fixed form, so that their text compares as their time does.
 */
export function withSubmission(
  sents: readonly Submitted[],
  sent: SentSegment,
  now: string,
): readonly Submitted[] {
  const alive = sents.filter(({ expiresAt }) => expiresAt >= now)
  const all = [Submitted.parse(sent), ...alive].toSorted(newestFirst).slice(0, SUBMISSIONS_MAX)
  if (all.length === 1) return all
  let bytes = 0
  const over = all.findIndex(
    (one) => (bytes += Buffer.byteLength(JSON.stringify(one))) > SUBMISSIONS_BYTES_MAX,
  )
  return over < 0 ? all : all.slice(0, Math.max(1, over))
}

/** Stable, so that of two submissions of one instant the one read last is the newer. */
const newestFirst = (a: Submitted, b: Submitted): number => {
  if (a.submittedAt === b.submittedAt) return 0
  return a.submittedAt > b.submittedAt ? -1 : 1
}

/**
 * `stranger`: there are submissions, and each went to another number than the receipt names. The
 * right one may still be on its way.
 */
export type Match =
  | { readonly kind: 'found' | 'stranger'; readonly sent: Submitted }
  | { readonly kind: 'none' }

/** [K6] among the submissions that are alive for this receipt [K8]. */
export function matchOf(sents: readonly Submitted[], lookup: ReceiptLookup): Match {
  const { receipt, release } = lookup
  const { receivedAt, messageId } = receipt
  // A released receipt was correlated before: no other message may have it now.
  const isReleased = release !== undefined && messageId !== undefined
  const alive = sents.filter(
    (sent) => receivedAt <= sent.expiresAt && (!isReleased || sent.messageId === messageId),
  )
  const [first] = alive
  if (first === undefined) return { kind: 'none' }
  const numbers = isReleased
    ? []
    : [receipt.destAddr, receipt.sourceAddr].flatMap((one) => phoneDigits(one) ?? [])
  if (numbers.length === 0) return { kind: 'found', sent: newestBefore(alive, receivedAt) ?? first }
  const shared = alive.map(({ to }) => Math.max(...numbers.map((number) => sharedDigits(number, to))))
  const most = Math.max(...shared)
  const own = most === 0 ? alive : alive.filter((_, index) => shared[index] === most)
  return { kind: most === 0 ? 'stranger' : 'found', sent: newestBefore(own, receivedAt) ?? first }
}

/** A receipt may be here before the answer to its submission: then none is older than it. */
const newestBefore = (sents: readonly Submitted[], receivedAt: string): Submitted | undefined =>
  sents.find(({ submittedAt }) => submittedAt <= receivedAt) ?? sents.at(-1)

/** What a fact says of the submission: enough to open its message. */
export function submissionOf({
  to,
  submittedAt,
  segmentCount,
  callbackUrl,
  metadata,
}: Submitted): Submission {
  const submission: Submission = { to, submittedAt, segmentCount }
  if (callbackUrl !== undefined) submission.callbackUrl = callbackUrl
  if (metadata !== undefined) submission.metadata = metadata
  return submission
}
