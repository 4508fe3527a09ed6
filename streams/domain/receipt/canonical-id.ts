/**
 * How an operator writes one message id in its submit response and in its receipts [K2].
 */
export const CANONICAL_ID_RULES = ['exact', 'lower', 'zeros', 'hex2dec', 'dec2hex', 'hyphens'] as const
export type CanonicalIdRule = (typeof CANONICAL_ID_RULES)[number]

/** What operators have been seen to need, the plainest first. */
export const SEEN_RULES: readonly (readonly CanonicalIdRule[])[] = [
  ['exact'],
  ['lower'],
  ['zeros'],
  ['hyphens'],
  ['lower', 'zeros'],
  ['lower', 'hyphens'],
  ['hex2dec'],
  ['dec2hex'],
]

/** Which of the operator's two writings the id was read from. */
export type IdSide = 'submit' | 'receipt'

const HEX = /^[0-9a-f]+$/i
const DECIMAL = /^\d+$/
/** At least one character stays, so that "000" is the number 0 and not the empty id. */
const PADDING = /^0+(?=.)/s

const HEX_RADIX = 16
const DECIMAL_RADIX = 10

/**
 * The id under which both sides meet, `rules` applied in order; no rules are `exact`.
 *
 * - `lower`, `zeros`, `hyphens`: case, leading zeros, `-`; the same on both sides.
 * - `hex2dec`: they meet at the decimal number without padding. The submit side is converted, the
 *   receipt side only loses its padding.
 * - `dec2hex`: they meet at the hexadecimal number in lower case without padding. The submit side
 *   is converted, the receipt side only loses its padding and its case, because a number has
 *   neither.
 *
 * An id that is not a number of its side's base passes a number rule unchanged: some operators mix
 * forms, and an id that is left alone can still meet an equal one. Arithmetic is BigInt, since ids
 * of 16 hexadecimal or 23 decimal digits exceed 2^53 and then two ids would meet at one. Both
 * number rules in one list contradict each other and meet nowhere useful.
 */
export function canonicalOf(id: string, side: IdSide, rules: readonly CanonicalIdRule[]): string {
  return rules.reduce((current, rule) => APPLY[rule](current, side), id)
}

/**
 * Under which canonical ids a receipt is to be looked for, the likeliest first, each once [K4]:
 * every id that it carries in its own reading, and where a number rule could also read it in the
 * base of the submit side, in that one too. An operator that mixes both bases cannot be told apart
 * by the id alone.
 */
export function candidatesOf(
  ids: readonly string[],
  rules: readonly CanonicalIdRule[],
): readonly [string, ...string[]] {
  const readings = ids.flatMap((id) =>
    rules.reduce<readonly string[]>((found, rule) => found.flatMap((one) => readingsBy(rule, one)), [id]),
  )
  const [first = '', ...others] = new Set(readings)
  return [first, ...others]
}

function readingsBy(rule: CanonicalIdRule, id: string): readonly string[] {
  const own = APPLY[rule](id, 'receipt')
  if (rule !== 'hex2dec' && rule !== 'dec2hex') return [own]
  const other = APPLY[rule](id, 'submit')
  if (DECIMAL.test(id)) return [own, other]
  // With letters it has one reading: a hexadecimal one, or none.
  return [rule === 'hex2dec' ? other : own]
}

// An id of hyphens only stays what it is: an empty one would meet every other empty one.
const withoutHyphens = (id: string): string => id.replaceAll('-', '') || id
const withoutPadding = (id: string): string => id.replace(PADDING, '')
const decimalNumber = (id: string): string => (DECIMAL.test(id) ? withoutPadding(id) : id)
const hexNumber = (id: string): string => (HEX.test(id) ? withoutPadding(id.toLowerCase()) : id)
const hexToDecimal = (id: string): string => (HEX.test(id) ? BigInt(`0x${id}`).toString(DECIMAL_RADIX) : id)
const decimalToHex = (id: string): string => (DECIMAL.test(id) ? BigInt(id).toString(HEX_RADIX) : id)

const APPLY: Readonly<Record<CanonicalIdRule, (id: string, side: IdSide) => string>> = {
  exact: (id) => id,
  lower: (id) => id.toLowerCase(),
  zeros: withoutPadding,
  hex2dec: (id, side) => (side === 'submit' ? hexToDecimal(id) : decimalNumber(id)),
  dec2hex: (id, side) => (side === 'submit' ? decimalToHex(id) : hexNumber(id)),
  hyphens: withoutHyphens,
}
