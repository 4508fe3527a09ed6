/** Shorter ones are short codes, or numbers that were made unreadable. */
const DIGITS_MIN = 7
/**
 * What people put between digits. Anything else, such as `X` or `*`, hides a part of the number.
 */
const NUMBER = /^[+\d\s().-]+$/

/**
 * The digits of an address that may be a phone number; null for a sender's name or a short code.
 */
export function phoneDigits(address: string | undefined): string | null {
  if (address === undefined || !NUMBER.test(address)) return null
  const digits = address.replace(/\D/g, '')
  return digits.length >= DIGITS_MIN ? digits : null
}

/**
 * How many digits two numbers share, counted from the right; 0 when fewer than 7. Countries and
 * operators differ in what stands before a number, and not in its end [K6].
 */
export function sharedDigits(a: string, b: string): number {
  let count = 0
  while (count < a.length && count < b.length && a.at(-1 - count) === b.at(-1 - count)) count += 1
  return count >= DIGITS_MIN ? count : 0
}

/**
 * An operator's message id as a log line may show it: operators put phone numbers into ids, so each
 * run of digits that holds the last 7 of one of the addresses is masked [LG5].
 */
export function loggableId(id: string, addresses: readonly (string | undefined)[]): string {
  const ends = addresses.flatMap((address) => address?.replace(/\D/g, '').slice(-DIGITS_MIN) ?? [])
  const known = ends.filter((end) => end.length === DIGITS_MIN)
  if (known.length === 0) return id
  return id.replace(/\d+/g, (run) => (known.some((end) => run.includes(end)) ? '[masked]' : run))
}
