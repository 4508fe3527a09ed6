import type { SubmitResult } from '../../streams/contracts/outbound.ts'
import type { ExpectedFact, Submission } from '../../streams/contracts/receipts.ts'
import { SEGMENTS_MAX, type Aggregate } from './aggregate.ts'

/**
 * The first fact of any kind opens the aggregate [AG3]. What all of them say of the message is the
 * same.
 */

type Identity = Pick<
  Aggregate,
  'tenantId' | 'accountId' | 'to' | 'operatorId' | 'enqueuedAt' | 'segmentCount' | 'callbackUrl' | 'metadata'
>

function opened(identity: Identity, expected: number): Aggregate {
  const aggregate: Aggregate = {
    tenantId: identity.tenantId,
    accountId: identity.accountId,
    to: identity.to,
    operatorId: identity.operatorId,
    enqueuedAt: identity.enqueuedAt,
    segmentCount: identity.segmentCount,
    expected: Math.min(expected, SEGMENTS_MAX),
    segments: [],
    terminal: 0,
  }
  if (identity.callbackUrl !== undefined) aggregate.callbackUrl = identity.callbackUrl
  if (identity.metadata !== undefined) aggregate.metadata = identity.metadata
  return aggregate
}

/** [D13]. A dead-letter replay sends a second command: the latest one counts. */
export function withExpected(state: Aggregate | undefined, fact: ExpectedFact): Aggregate {
  const aggregate = state ?? opened(fact, fact.expectedSegments)
  const sentMs = Date.parse(fact.sentAt)
  if (aggregate.sentMs !== undefined && aggregate.sentMs >= sentMs) return aggregate
  const expected =
    aggregate.submittedMs === undefined ? Math.min(fact.expectedSegments, SEGMENTS_MAX) : aggregate.expected
  return { ...awaited(aggregate), sentMs, expected, operatorId: fact.operatorId }
}

function awaited(aggregate: Aggregate): Aggregate {
  const { refused: _, ...others } = aggregate
  return others
}

interface Submitted {
  readonly segmentCount: number
  readonly totalSegments: number
  readonly submittedAt: string
}

/**
 * [D14]: the first submission knows how many parts there really are [AG2], the latest one moves the
 * grace.
 */
export function withSubmitted(aggregate: Aggregate, { totalSegments, submittedAt }: Submitted): Aggregate {
  const submittedMs = Date.parse(submittedAt)
  if (aggregate.submittedMs !== undefined && aggregate.submittedMs >= submittedMs) return aggregate
  const expected =
    aggregate.submittedMs === undefined ? Math.min(totalSegments, SEGMENTS_MAX) : aggregate.expected
  return { ...awaited(aggregate), submittedMs, expected }
}

export const openedByResult = (result: SubmitResult): Aggregate => opened(result, result.totalSegments)

export const openedByReceipt = (
  fact: Pick<Identity, 'tenantId' | 'accountId' | 'enqueuedAt'> & { readonly totalSegments: number },
  operatorId: string,
  submission: Submission,
): Aggregate => opened({ ...fact, ...submission, operatorId }, fact.totalSegments)
