import {
  type Outcome,
  type SegmentStatus,
  TERMINAL_SEGMENT_STATUSES,
  type TerminalSegmentStatus,
} from '../statuses.ts'

const terminals: ReadonlySet<SegmentStatus> = new Set(TERMINAL_SEGMENT_STATUSES)

/** UNKNOWN, SUBMITTED and PENDING are not terminal: each may still become DELIVERED. */
export const isTerminal = (status: SegmentStatus): status is TerminalSegmentStatus => terminals.has(status)

/**
 * The message-level status of all its segments, [D27a] to [D27e], whatever their order. Whether
 * PENDING is shown as UNKNOWN is decided by [D23], since that depends on receipts and not on
 * statuses. No segments at all are PENDING: nothing has been said yet.
 */
export function evaluateSegments(statuses: readonly SegmentStatus[]): Outcome | 'PENDING' {
  const [first] = statuses
  if (first === undefined || !isTerminal(first) || !statuses.every(isTerminal)) return 'PENDING'
  if (statuses.includes('FAILED')) return 'FAILED'
  return statuses.every((status) => status === first) ? first : 'PARTIAL'
}
