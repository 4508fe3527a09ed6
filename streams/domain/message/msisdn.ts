import { parsePhoneNumberFromString } from 'libphonenumber-js'
import { isPlainlyPossible } from './numbering-plans.ts'

/** ITU-T E.164 with the plus sign [EV44]. */
const E164 = /^\+[1-9]\d{1,14}$/

export type Destination = { readonly ok: true; readonly e164: string } | { readonly ok: false }

/** Marks of direction and the like, which come along when a number is copied out of a document. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu

const REFUSED: Destination = { ok: false }

export const isE164 = (text: string): boolean => E164.test(text)

/**
 * A number in international form, with any punctuation a person writes, brought to E.164 [SM2].
 *
 * Accepted is what the numbering plan makes possible, not what the library's tables hold as
 * assigned: they lag behind new ranges, and a number refused here could never be reached at all. An
 * extension is refused instead of dropped, since the message would go to somebody else. The pattern
 * is checked as well, because the library finds numbers of more than 15 digits possible.
 */
export function parseDestination(input: string): Destination {
  if (isE164(input) && isPlainlyPossible(input)) return { ok: true, e164: input }
  const text = withoutOldMobilePrefix(input.replaceAll(INVISIBLE, '').trim())
  if (!text.startsWith('+')) return REFUSED
  const number = parsePhoneNumberFromString(text, { extract: false })
  if (number === undefined || number.ext !== undefined || !number.isPossible()) return REFUSED
  return isE164(number.number) && isStable(number.number, text) ? { ok: true, e164: number.number } : REFUSED
}

/**
 * Until 2020 the mobile numbers of Mexico were dialled from abroad with a 1 behind +52. Address
 * books still hold them so; the network takes them without.
 */
function withoutOldMobilePrefix(text: string): string {
  const digits = text.replaceAll(/[\s().-]/g, '')
  return /^\+521\d{10}$/.test(digits) ? `+52${digits.slice(4)}` : text
}

/**
 * The library may have dropped digits, such as the national prefix 0 of +44 0... What is left must
 * then be a number of its own. Of some it would drop more when it is read again, and nobody could
 * say which of the two was meant.
 */
function isStable(e164: string, text: string): boolean {
  if (text.replaceAll(/\D/g, '') === e164.slice(1)) return true
  return parsePhoneNumberFromString(e164, { extract: false })?.number === e164
}
