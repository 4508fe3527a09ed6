import { septetCount } from './gsm7.ts'
import { isE164 } from './msisdn.ts'

/** The kind decides source TON and NPI: 1/1, 3/0 and 5/0 [PD1]. */
export type SenderKind = 'e164' | 'short_code' | 'alphanumeric'

export const SENDER_CHARS_MAX = 20
/**
 * Ten octets of a TP-Originating-Address hold eleven septets, so an extension character counts
 * twice (TS 23.040 9.1.2.5).
 */
export const ALPHANUMERIC_SEPTETS_MAX = 11

const SHORT_CODE = /^\d{3,8}$/
const LETTER = /\p{L}/u
const CONTROL = /\p{Cc}/u

/**
 * What `from` is [SM3], or null when it is none of the three.
 * Digits alone are never alphanumeric: a national number would pass for a name and be shown as one.
 */
export function senderKind(from: string): SenderKind | null {
  if (from.length > SENDER_CHARS_MAX) return null
  if (isE164(from)) return 'e164'
  if (SHORT_CODE.test(from)) return 'short_code'
  return isAlphanumeric(from) ? 'alphanumeric' : null
}

function isAlphanumeric(from: string): boolean {
  const septets = septetCount(from)
  if (septets === null || septets > ALPHANUMERIC_SEPTETS_MAX) return false
  return LETTER.test(from) && !CONTROL.test(from)
}
