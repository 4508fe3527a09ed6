/**
 * The two alphabets of an SMS text: GSM 03.38, default alphabet and extension table (3GPP TS 23.038
 * sections 6.2.1 and 6.2.1.1), and UCS-2. Septets are unpacked, one per octet, because that is what
 * operators expect under data_coding 0.
 */

const ESCAPE = 0x1b
/**
 * Position = septet. 0x09 is the capital C cedilla of TS 23.038; lists that map it to the small one
 * are wrong.
 */
const BASIC =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u001bÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§' +
  '¿abcdefghijklmnopqrstuvwxyzäöñüà'
const EXTENSION: readonly (readonly [septet: number, character: string])[] = [
  [0x0a, '\f'],
  [0x14, '^'],
  [0x28, '{'],
  [0x29, '}'],
  [0x2f, '\\'],
  [0x3c, '['],
  [0x3d, '~'],
  [0x3e, ']'],
  [0x40, '|'],
  [0x65, '€'],
]
const UTF16_UNITS = 0x1_0000
/** TS 23.038 6.2.1.1: a receiver that cannot follow an escape shows a space. */
const UNREADABLE_ESCAPE = ' '
const NOT_A_SEPTET = '\ufffd'

/**
 * Indexed by UTF-16 unit: 0 not in the alphabet, 1 basic, 2 extension. A flat table makes the check
 * one load per unit.
 */
const septetsOfUnit = new Uint8Array(UTF16_UNITS)
/** Indexed by UTF-16 unit: the septet, for an extension character the one after the escape. */
const septetOfUnit = new Uint8Array(UTF16_UNITS)
const extensionCharacterOf = new Map<number, string>()

for (let septet = 0; septet < BASIC.length; septet++) {
  if (septet === ESCAPE) continue
  septetsOfUnit[BASIC.charCodeAt(septet)] = 1
  septetOfUnit[BASIC.charCodeAt(septet)] = septet
}
for (const [septet, character] of EXTENSION) {
  septetsOfUnit[character.charCodeAt(0)] = 2
  septetOfUnit[character.charCodeAt(0)] = septet
  extensionCharacterOf.set(septet, character)
}

/** Septets that a UTF-16 unit takes: 1, 2 (extension), or 0 when it is not in the alphabet. */
export const septetsOf = (unit: number): number => septetsOfUnit[unit] ?? 0

/** Septets that the text takes, or null when a character is not in the alphabet. */
export function septetCount(text: string): number | null {
  let septets = 0
  for (let i = 0; i < text.length; i++) {
    const cost = septetsOf(text.charCodeAt(i))
    if (cost === 0) return null
    septets += cost
  }
  return septets
}

export const isGsm7 = (text: string): boolean => septetCount(text) !== null

/**
 * One septet per octet, an extension character as escape and septet.
 * @throws RangeError when the text is not GSM 03.38: the caller has to choose the alphabet first,
 *   since anything that was put in place of the character would reach the handset.
 */
export function encodeGsm7(text: string): Buffer {
  const septets = septetCount(text)
  if (septets === null) throw new RangeError('the text holds a character outside GSM 03.38')
  const octets = Buffer.allocUnsafe(septets)
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (septetsOf(unit) === 2) octets[at++] = ESCAPE
    octets[at++] = septetOfUnit[unit] ?? 0
  }
  return octets
}

/**
 * The reverse of encodeGsm7 for any octets. An escape before an undefined septet is dropped and the
 * septet read from the default alphabet. A doubled or last escape is a space (TS 23.038 6.2.1.1).
 * An octet above 0x7F is U+FFFD.
 */
export function decodeGsm7(octets: Uint8Array): string {
  let text = ''
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0
    if (octet !== ESCAPE) {
      text += basicCharacterOf(octet)
      continue
    }
    i++
    text += escapedCharacterOf(octets[i])
  }
  return text
}

const basicCharacterOf = (octet: number): string => BASIC.charAt(octet) || NOT_A_SEPTET

function escapedCharacterOf(octet: number | undefined): string {
  if (octet === undefined || octet === ESCAPE) return UNREADABLE_ESCAPE
  return extensionCharacterOf.get(octet) ?? basicCharacterOf(octet)
}

/**
 * UTF-16 big-endian without a byte order mark, two octets per unit; surrogate pairs pass as they
 * are.
 */
export const encodeUcs2 = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()

/**
 * The reverse of encodeUcs2. A last odd octet is dropped, because some operators cut receipts in
 * the middle of a unit.
 */
export function decodeUcs2(octets: Uint8Array): string {
  const whole = Buffer.from(octets.subarray(0, octets.length - (octets.length % 2)))
  return whole.swap16().toString('utf16le')
}
