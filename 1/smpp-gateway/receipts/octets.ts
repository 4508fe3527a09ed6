import { decodeUcs2 } from '../../streams/domain/message/gsm7.ts'

const UCS2_BITS = 0x0c
const UCS2 = 0x08
/**
 * `_` of the default alphabet (3GPP TS 23.038): the only character of a receipt whose septet is not
 * its ASCII code.
 */
const SEPTET_UNDERSCORE = String.fromCharCode(0x11)
const KEYS = /(?:id|stat|status)\s?:/i

/**
 * The text of a receipt by its data_coding [R5], or by its octets where the two contradict: some
 * operators send ASCII under UCS-2, UTF-16 under the default alphabet, or UTF-16 the wrong way
 * round. Latin letters in UTF-16 have a NUL beside each, before it or after it.
 */
export function receiptTextOf(octets: Buffer, dataCoding: number): string {
  const singleOctets = octets.toString('latin1')
  if (KEYS.test(singleOctets)) return singleOctets.replaceAll(SEPTET_UNDERSCORE, '_')
  const order = utf16OrderOf(octets)
  if (order === 'little') return octets.toString('utf16le')
  const saysUcs2 = (dataCoding & UCS2_BITS) === UCS2
  if (order === 'big' || saysUcs2) return decodeUcs2(octets)
  return singleOctets.replaceAll(SEPTET_UNDERSCORE, '_')
}

/** Only a text that is mostly Latin letters shows its order; padding at the end shows none. */
function utf16OrderOf(octets: Buffer): 'big' | 'little' | undefined {
  let even = 0
  let odd = 0
  for (const [at, octet] of octets.entries()) {
    if (octet !== 0) continue
    if (at % 2 === 0) even += 1
    else odd += 1
  }
  const half = octets.length / 2
  if (even > 0.8 * half && odd < 0.2 * half) return 'big'
  return odd > 0.8 * half && even < 0.2 * half ? 'little' : undefined
}
