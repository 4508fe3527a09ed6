import type { OperatorProfile } from '../../streams/contracts/operator-profile.ts'
import { encodeGsm7, isGsm7 } from '../../streams/domain/message/gsm7.ts'

/** What data_coding 0 means at an operator [PD3]. */
export type Charset = OperatorProfile['charset']

const ASCII = /^[\0-\x7f]*$/
/** Without the control characters of 0x80 to 0x9F, which nobody agrees on. */
const LATIN1 = /^[\0-\x7f\xa0-\xff]*$/

/** One octet a character, an extension character of GSM 03.38 two; undefined outside the table. */
export function octetsIn(charset: Charset, text: string): Buffer | undefined {
  if (charset === 'gsm7') return isGsm7(text) ? encodeGsm7(text) : undefined
  const holds = charset === 'ascii' ? ASCII : LATIN1
  return holds.test(text) ? Buffer.from(text, 'latin1') : undefined
}

/**
 * Whether a text goes under data_coding 0. It is split by its septets [EN1], because that is how it
 * reaches the phone, so it has to fit GSM 03.38 as well as the operator's table.
 */
export const isPlain = (charset: Charset, text: string): boolean =>
  isGsm7(text) && octetsIn(charset, text) !== undefined
