/**
 * Postgres stores every Unicode text but two: U+0000, and halves of surrogate pairs in JSON.
 * Operators do send such bytes, and one of them must not hold a partition for ever. So each becomes
 * U+FFFD, the replacement character (ADR 0020).
 */
const NUL = '\u0000'
const REPLACEMENT = '\uFFFD'
const LONE_SURROGATE = /\p{Surrogate}/gu

export const storableText = (text: string): string =>
  text.includes(NUL) ? text.replaceAll(NUL, REPLACEMENT) : text

/**
 * The contracts let the 30th of February pass, Postgres does not. It becomes the 2nd of March, as
 * Date reads it.
 */
export const storableInstant = (instant: string): string => new Date(instant).toISOString()

/** JSON text for a jsonb column; cleans keys and values at any depth. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value)
  // Both only show as escapes in well-formed JSON text: the usual record costs one search.
  return text.includes('\\u') ? JSON.stringify(cleaned(value)) : text
}

function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value).replace(LONE_SURROGATE, REPLACEMENT)
  if (Array.isArray(value)) return value.map(cleaned)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [String(cleaned(key)), cleaned(inner)]),
  )
}
