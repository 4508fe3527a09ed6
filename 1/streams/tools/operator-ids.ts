import { decode } from '../contracts/decode.ts'
import { idRulesInWords } from '../contracts/operator-profile-words.ts'
import { sentSegments, unmatchedReceipts } from '../contracts/receipts.ts'
import { canonicalOf, SEEN_RULES, type CanonicalIdRule } from '../domain/receipt/canonical-id.ts'
import type { LogClient } from '../log/port.ts'
import { recordsOf } from './records.ts'

/** The newest ids that are compared; an operator writes its ids in one way for months. */
const SUBMITS_MAX = 200_000
const RECEIPTS_MAX = 50_000

export interface OperatorIds {
  /** Of submits that the operator accepted. */
  readonly submitted: ReadonlySet<string>
  /** Of receipts that found none of them. */
  readonly unmatched: ReadonlySet<string>
}

export interface RuleMatches {
  readonly rules: readonly CanonicalIdRule[]
  readonly matches: number
}

/** What the log holds of one operator [K2]. Throws LogError. */
export async function operatorIds(log: LogClient, operatorId: string): Promise<OperatorIds> {
  const submitted = new Set<string>()
  const unmatched = new Set<string>()
  const mine = `${operatorId}:`
  for await (const { topic, key, value } of recordsOf(log, [sentSegments.name, unmatchedReceipts.name])) {
    if (key?.toString().startsWith(mine) !== true) continue
    if (topic === sentSegments.name) {
      const sent = decode(sentSegments, value)
      if (sent.ok) keep(submitted, sent.value.operatorMessageId, SUBMITS_MAX)
    } else {
      const receipt = decode(unmatchedReceipts, value)
      if (receipt.ok) keep(unmatched, receipt.value.operatorMessageId, RECEIPTS_MAX)
    }
  }
  return { submitted, unmatched }
}

function keep(ids: Set<string>, id: string, max: number): void {
  if (id === '') return
  ids.delete(id)
  ids.add(id)
  const [oldest] = ids
  if (ids.size > max && oldest !== undefined) ids.delete(oldest)
}

/**
 * How many of the receipts would find a submit under each of the rules that operators have been
 * seen to need; the most first, and of equals the plainest.
 */
export function matchesUnderRules({ submitted, unmatched }: OperatorIds): readonly RuleMatches[] {
  return SEEN_RULES.map((rules) => {
    const known = new Set([...submitted].map((id) => canonicalOf(id, 'submit', rules)))
    const found = [...unmatched].filter((id) => known.has(canonicalOf(id, 'receipt', rules)))
    return { rules, matches: found.length }
  }).sort((a, b) => b.matches - a.matches)
}

/** Counts only: an operator's id may hold a number [LG5]. */
export function idsInWords(operatorId: string, ids: OperatorIds): string {
  const { submitted, unmatched } = ids
  const rows = matchesUnderRules(ids).filter(({ matches }) => matches > 0)
  const lines = rows.map(
    ({ rules, matches }) =>
      `${String(matches).padStart(8)}  ${JSON.stringify(rules).padEnd(20)}  ${idRulesInWords(rules)}`,
  )
  return [
    `${operatorId}: ids of ${submitted.size} submits, and of ${unmatched.size} receipts that found none of them.`,
    ...(lines.length === 0 ? [] : ['', '   would find theirs with these rules', ...lines]),
    '',
    adviceOf(rows[0], unmatched.size),
    '',
  ].join('\n')
}

function adviceOf(best: RuleMatches | undefined, unmatched: number): string {
  if (unmatched === 0) return 'Nothing to set.'
  if (best === undefined) return 'No rules that are known bring them together.'
  const { rules, matches } = best
  if (rules[0] === 'exact') return `${matches} of them find theirs as they are: they came at another time.`
  return `Set idRules to ${JSON.stringify(rules)} in its profile: ${matches} of ${unmatched} would find theirs. It counts for later submits.`
}
