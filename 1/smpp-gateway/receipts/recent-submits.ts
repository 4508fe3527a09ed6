import { BoundedMap } from '../../streams/platform/bounded-map.ts'
import { canonicalOf, type CanonicalIdRule, type IdSide } from '../../streams/domain/receipt/canonical-id.ts'
import { IdRuleLearner } from './id-rules.ts'

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
  /** By the ids of one receipt, in order. */
  find(operatorId: string, ...operatorMessageIds: readonly string[]): RecentSubmit | undefined
}

export interface IdRules {
  /** Those of the operator's profile [K2]. */
  readonly rulesOf: (operatorId: string) => readonly CanonicalIdRule[]
  /** Receipts of the operator meet their submits only under these other rules [R14]. */
  readonly onLearnt: (operatorId: string, rules: readonly CanonicalIdRule[]) => void
}

const RECENT_MAX = 100_000
const AS_THEY_ARE: IdRules = { rulesOf: () => [], onLearnt: () => {} }

export function createRecentSubmits(max = RECENT_MAX, idRules = AS_THEY_ARE): RecentSubmits {
  const submits = new BoundedMap<string, RecentSubmit>(max)
  const learners = new Map<string, IdRuleLearner>()
  // Case and padding are forgiven on top of the rules, because a miss costs nothing.
  const keyOf = (operatorId: string, id: string, side: IdSide): string =>
    `${operatorId}:${canonicalOf(id, side, [...idRules.rulesOf(operatorId), 'lower', 'zeros'])}`
  const learnerOf = (operatorId: string): IdRuleLearner => {
    const learner =
      learners.get(operatorId) ??
      new IdRuleLearner(idRules.rulesOf(operatorId), (rules) => idRules.onLearnt(operatorId, rules))
    learners.set(operatorId, learner)
    return learner
  }
  return {
    note: (operatorId, operatorMessageId, submit) => {
      learnerOf(operatorId).submitted(operatorMessageId)
      submits.set(keyOf(operatorId, operatorMessageId, 'submit'), submit)
    },
    find: (operatorId, ...ids) => {
      learnerOf(operatorId).received(ids)
      for (const id of ids) {
        const found = submits.get(keyOf(operatorId, id, 'receipt'))
        if (found !== undefined) return found
      }
      return undefined
    },
  }
}
