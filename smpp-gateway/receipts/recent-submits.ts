import { BoundedMap } from '../../streams/platform/bounded-map.ts'
import { canonicalOf } from '../../streams/domain/receipt/canonical-id.ts'

/** Which of our segments an operator's id stands for. */
export interface RecentSubmit {
  readonly messageId: string
  readonly segmentIndex: number
  readonly totalSegments: number
}

/**
 * Best-effort memory of what operators accepted lately [R8]. The topologies do the real
 * correlation.
 */
export interface RecentSubmits {
  note(operatorId: string, operatorMessageId: string, submit: RecentSubmit): void
  find(operatorId: string, operatorMessageId: string): RecentSubmit | undefined
}

const RECENT_MAX = 100_000

// The operator's id rules are the topologies' business; case and padding are forgiven here because
// a miss costs nothing.
const keyOf = (operatorId: string, id: string, side: 'submit' | 'receipt'): string =>
  `${operatorId}:${canonicalOf(id, side, ['lower', 'zeros'])}`

export function createRecentSubmits(max = RECENT_MAX): RecentSubmits {
  const submits = new BoundedMap<string, RecentSubmit>(max)
  return {
    note: (operatorId, operatorMessageId, submit) =>
      submits.set(keyOf(operatorId, operatorMessageId, 'submit'), submit),
    find: (operatorId, operatorMessageId) => submits.get(keyOf(operatorId, operatorMessageId, 'receipt')),
  }
}
