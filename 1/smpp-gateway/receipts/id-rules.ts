import {
  canonicalOf,
  SEEN_RULES,
  type CanonicalIdRule,
  type IdSide,
} from '../../streams/domain/receipt/canonical-id.ts'
import { BoundedMap } from '../../streams/platform/bounded-map.ts'

type Rules = readonly CanonicalIdRule[]

/** Receipts that agree before anything is said: one alone may meet a foreign submit by chance. */
const AGREEING = 10
/** Submits that are remembered while nothing is known yet. */
const SUBMITS_MAX = 1_000
/**
 * Submits and receipts after which nothing more is to be learnt, as with an operator whose receipts
 * never meet: each look costs nine ids.
 */
const WATCHED_MAX = 5_000

/**
 * Watches whether an operator's receipts meet its submit responses under the rules that are set,
 * and if not, under which they do [R14]. It decides nothing: a person sets the rules, since
 * topologies and gateway must agree. Once it knows, or has watched for long, it watches no more.
 */
export class IdRuleLearner {
  readonly #rules: Rules
  readonly #learnt: (rules: Rules) => void
  readonly #submitted = new BoundedMap<string, true>(SUBMITS_MAX * (SEEN_RULES.length + 1))
  readonly #agreeing = new Map<Rules, number>()
  #watched = 0
  #isDone = false

  constructor(rules: Rules, learnt: (rules: Rules) => void) {
    this.#rules = rules
    this.#learnt = learnt
  }

  submitted(id: string): void {
    if (this.#isOver()) return
    for (const rules of [this.#rules, ...SEEN_RULES]) this.#submitted.set(keyOf(rules, id, 'submit'), true)
  }

  received(ids: readonly string[]): void {
    if (this.#isOver()) return
    const rules = [this.#rules, ...SEEN_RULES].find((candidate) =>
      ids.some((id) => this.#submitted.get(keyOf(candidate, id, 'receipt')) === true),
    )
    if (rules === undefined) return
    const agreeing = (this.#agreeing.get(rules) ?? 0) + 1
    this.#agreeing.set(rules, agreeing)
    if (agreeing < AGREEING) return
    this.#end()
    // Receipts that meet under the given rules as well may need no others.
    if (rules !== this.#rules && !this.#agreeing.has(this.#rules)) this.#learnt(rules)
  }

  #isOver(): boolean {
    this.#watched += 1
    if (this.#watched > WATCHED_MAX && !this.#isDone) this.#end()
    return this.#isDone
  }

  #end(): void {
    this.#isDone = true
    this.#submitted.clear()
  }
}

const keyOf = (rules: Rules, id: string, side: IdSide): string =>
  `${rules.join('+')}:${canonicalOf(id, side, rules)}`
