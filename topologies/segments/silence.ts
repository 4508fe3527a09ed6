import type { OperatorProfile } from '../../streams/contracts/operator-profile.ts'
import { isTerminal } from '../../streams/domain/receipt/aggregate.ts'
import { segmentOf, withSegment, type Aggregate, type Segment } from './aggregate.ts'

/**
 * Operators that report on one segment of a long message only, the first or the last [PD2]. On the
 * others they are silent, and what they say of the one holds for those that they have accepted.
 */
export type ScopeOf = (operatorId: string) => OperatorProfile['receiptScope']

const reporterOf = (scope: 'first' | 'last', { expected }: Aggregate): number =>
  scope === 'first' ? 1 : expected

/** Whether no receipt will ever come for an accepted segment. */
export function isSilent(aggregate: Aggregate, index: number, scopeOf: ScopeOf): boolean {
  const { operatorId, status } = segmentOf(aggregate, index)
  if (operatorId === undefined || status === 'PENDING') return false
  const scope = scopeOf(operatorId)
  return scope !== 'all' && reporterOf(scope, aggregate) !== index
}

export interface Cause {
  readonly operatorId: string
  /** Event id of the receipt, or position of the submit result. */
  readonly by: string
}

/**
 * With the status of the reported segment on those that its operator is silent on. A segment that
 * was refused at its submission was not reported: then the others end with the grace.
 */
export function spokenFor(aggregate: Aggregate, { operatorId, by }: Cause, scopeOf: ScopeOf): Aggregate {
  const scope = scopeOf(operatorId)
  if (scope === 'all') return aggregate
  const at = reporterOf(scope, aggregate)
  const reported = segmentOf(aggregate, at)
  if (!isTerminal(reported.status) || reported.operatorId !== operatorId || reported.by !== undefined)
    return aggregate
  let spoken = aggregate
  for (const [place, segment] of aggregate.segments.entries()) {
    const isOpen = segment.status !== 'PENDING' && !isTerminal(segment.status)
    if (isOpen && segment.operatorId === operatorId)
      spoken = withSegment(spoken, place + 1, { ...as(reported), by, receipts: segment.receipts })
  }
  return spoken
}

function as({ status, operatorId, receivedAt, errorCode }: Segment): Omit<Segment, 'by' | 'receipts'> {
  return {
    status,
    ...(operatorId !== undefined && { operatorId }),
    ...(errorCode !== undefined && { errorCode }),
    ...(receivedAt !== undefined && { receivedAt }),
  }
}

/** Segments, by index, that another one's receipt has ended. */
export const endedBy = ({ segments }: Aggregate, receiptEvent: string): readonly number[] =>
  segments.flatMap(({ by }, place) => (by === receiptEvent ? [place + 1] : []))
