import type { HandOn, ReceiptLookup } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { handedOnEventId } from '../../streams/domain/event-id.ts'
import { instantOf } from '../instant.ts'

/**
 * The way of a lookup over its candidate ids. Each is a key of its own, so the lookup goes from one
 * to the next as a record of `dlr.lookup`, and is at one of them at any time [K5].
 */

/** Looks of [D9], the first one included. */
export const LOOKS_MAX = 3

/**
 * Which time round it is: an id is passed once in each look, and once more when it alone decides.
 */
export const stageOf = ({ byIdAlone, looks }: HandOn): number =>
  byIdAlone === true ? LOOKS_MAX + 1 : (looks?.looks ?? 1)

/** Undefined for the last candidate, which waits. */
export function nextCandidate({ candidates, canonicalId }: ReceiptLookup): string | undefined {
  return candidates?.[candidates.indexOf(canonicalId) + 1]
}

/** From a candidate that found nothing of the receipt's own. */
export function toNext(
  { looks, stranger, canonicalId }: ReceiptLookup,
  next: string,
  isStrange: boolean,
): HandOn {
  const onward: HandOn = { canonicalId: next }
  if (looks !== undefined) onward.looks = looks
  const first = stranger ?? (isStrange ? canonicalId : undefined)
  if (first !== undefined) onward.stranger = first
  return onward
}

/**
 * The record that hands a lookup on. Read again, the decision that it rests on gives the same one.
 */
export function handedOn(lookup: ReceiptLookup, next: HandOn, atMs: number): ReceiptLookup {
  const { candidates, receipt, release } = lookup
  const handed: ReceiptLookup = {
    schemaVersion: SCHEMA_VERSION,
    eventId: handedOnEventId(receipt.eventId, next.canonicalId, stageOf(next)),
    occurredAt: instantOf(atMs),
    ...next,
    receipt,
  }
  if (candidates !== undefined) handed.candidates = candidates
  if (release !== undefined) handed.release = release
  return handed
}
