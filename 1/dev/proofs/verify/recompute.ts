import type { Alarm, Echo, Span, Taken, Total } from './scene.ts'

/**
 * Everything committed, each topic in partition and offset order: so the records of one key are in
 * the order of the log.
 */
export interface Committed {
  readonly left: readonly Taken[]
  readonly right: readonly Taken[]
  readonly echoes: readonly Echo[]
  readonly totals: readonly Total[]
  readonly spans: readonly Span[]
  readonly alarms: readonly Alarm[]
  /** Outputs marked as a repetition: nobody moved a cursor back, so there must be none. */
  readonly replayed: number
}

/**
 * What the outputs should be, from the committed input alone, against what they are. Empty means
 * equal: each input echoed and alarmed once, totals of a key in an order in which its two inputs
 * can have met and with the sums of that order, spans without gap or overlap up to the last record.
 */
export function differences(committed: Committed): readonly string[] {
  const { left, right, echoes, totals, spans, alarms, replayed } = committed
  const inputs = [...left, ...right]
  const prefixes = new Map<string, readonly number[]>()
  const byWord = groupBy(totals, (total) => total.word)
  const words = new Set([...inputs, ...totals, ...spans].map(({ word }) => word))
  const lefts = groupBy(left, (taken) => taken.word)
  const rights = groupBy(right, (taken) => taken.word)
  const found: string[] = [
    ...bags(
      'echo',
      [...left.map((taken) => nameOf('left', taken)), ...right.map((taken) => nameOf('right', taken))],
      echoes.map((echo) => nameOf(echo.from, echo)),
    ),
    ...bags(
      'alarm',
      inputs.map(({ id }) => `${id} 1`),
      alarms.map(({ id, seen }) => `${id} ${seen}`),
    ),
  ]
  for (const word of words) {
    const mine = byWord.get(word) ?? []
    found.push(...orderOf('left', word, lefts.get(word) ?? [], rights.get(word) ?? [], mine))
    found.push(...orderOf('right', word, rights.get(word) ?? [], lefts.get(word) ?? [], mine))
    found.push(...runningSums(word, inputs, mine, prefixes))
  }
  const spansOf = groupBy(spans, (span) => span.word)
  for (const word of words) found.push(...contiguous(word, spansOf.get(word) ?? [], prefixes.get(word) ?? []))
  if (replayed > 0) found.push(`${replayed} outputs are marked as replayed`)
  return found
}

const nameOf = (from: string, { id, word, n }: Taken | Echo): string => `${from} ${id} ${word} ${n}`

/** Equal as bags: nothing missing, nothing invented, nothing twice. */
function bags(what: string, expected: readonly string[], actual: readonly string[]): string[] {
  const left = new Map<string, number>()
  for (const one of expected) left.set(one, (left.get(one) ?? 0) + 1)
  for (const one of actual) left.set(one, (left.get(one) ?? 0) - 1)
  return [...left].flatMap(([one, count]) => {
    if (count === 0) return []
    return [`${what} ${one}: ${count > 0 ? `${count} missing` : `${-count} too many`}`]
  })
}

/**
 * The totals of one input, without those of the other one: its records in its order, none left out,
 * none again.
 */
function orderOf(
  input: string,
  word: string,
  expected: readonly Taken[],
  others: readonly Taken[],
  totals: readonly Total[],
): string[] {
  const foreign = new Set(others.map(({ id }) => id))
  const actual = totals.filter(({ id }) => !foreign.has(id)).map(({ id }) => id)
  const at = Array.from({ length: Math.max(expected.length, actual.length) }).findIndex(
    (_, index) => expected[index]?.id !== actual[index],
  )
  if (at < 0) return []
  return [
    `totals of ${word} from ${input}: at ${at} ${actual[at] ?? 'none'}, expected ${expected[at]?.id ?? 'none'}`,
  ]
}

function runningSums(
  word: string,
  inputs: readonly Taken[],
  totals: readonly Total[],
  prefixes: Map<string, readonly number[]>,
): string[] {
  const numbers = new Map(inputs.filter((taken) => taken.word === word).map(({ id, n }) => [id, n]))
  const sums = [0]
  let [sum, max] = [0, 0]
  let wrong: string | undefined
  for (const [index, total] of totals.entries()) {
    const n = numbers.get(total.id) ?? 0
    sum += n
    max = Math.max(max, n)
    sums.push(sum)
    if (total.count !== index + 1 || total.sum !== sum || total.max !== max)
      wrong ??= `total ${index + 1} of ${word}: ${total.count}/${total.sum}/${total.max}, expected ${index + 1}/${sum}/${max}`
  }
  prefixes.set(word, sums)
  return wrong === undefined ? [] : [wrong]
}

function contiguous(word: string, spans: readonly Span[], sums: readonly number[]): string[] {
  let told = 0
  for (const { from, upTo, sum } of spans) {
    if (from !== told + 1 || upTo < from) return [`spans of ${word}: ${from} to ${upTo} after ${told}`]
    if (sum !== sums[upTo]) return [`span of ${word} up to ${upTo}: sum ${sum}, expected ${sums[upTo]}`]
    told = upTo
  }
  const count = sums.length - 1
  return told === count ? [] : [`spans of ${word} end at ${told} of ${count}`]
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group === undefined) groups.set(keyOf(one), [one])
    else group.push(one)
  }
  return groups
}
