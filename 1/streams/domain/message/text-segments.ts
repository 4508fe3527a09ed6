import { isGsm7, septetCount, septetsOf } from './gsm7.ts'

export type Encoding = 'GSM7' | 'UCS2'
/**
 * Width of the concatenation reference in the user data header (3GPP TS 23.040 9.2.3.24.1 and
 * 9.2.3.24.8).
 */
export type ReferenceBits = 8 | 16
export interface SplitText {
  readonly encoding: Encoding
  /** In order; joined they are the text. */
  readonly parts: readonly string[]
}

/** The header counts the parts in one octet [EN8]. */
export const PARTS_MAX = 255

// In septets for GSM7, in UTF-16 units for UCS2 [EN1] [EN2] [EN5].
const ALONE_MAX = { GSM7: 160, UCS2: 70 } as const
const PER_PART_MAX = { GSM7: { 8: 153, 16: 152 }, UCS2: { 8: 67, 16: 66 } } as const

/** The text alone decides [EN3]. */
export const encodingOf = (text: string): Encoding => (isGsm7(text) ? 'GSM7' : 'UCS2')

/**
 * Parts that the text needs; 1 for the empty text. Total for any text, also one above PARTS_MAX
 * parts, so that a validator may call it on untrusted input. One pass over the text, unless
 * extension characters make the boundaries matter.
 */
export function segmentCount(text: string, refBits: ReferenceBits = 8): number {
  const { encoding, size } = measure(text)
  if (size <= ALONE_MAX[encoding]) return 1
  const perPartMax = PER_PART_MAX[encoding][refBits]
  if (encoding === 'GSM7' && size === text.length) return Math.ceil(size / perPartMax)
  let parts = 0
  for (let start = 0; start < text.length; parts++) start = endOfPart(text, start, encoding, perPartMax)
  return parts
}

/**
 * The fewest parts in which no escape pair and no surrogate pair is torn [EN7]; filling each part
 * greedily reaches that minimum. Within that minimum no character that is made of several code
 * points is torn either: half of it would be shown as something else until the next part has come.
 *
 * @param encoding UCS2 for a text that fits GSM7 but must not be sent so
 * @throws RangeError above PARTS_MAX parts: the length of a body is validated long before.
 */
export function splitText(
  text: string,
  refBits: ReferenceBits = 8,
  encoding: Encoding = encodingOf(text),
): SplitText {
  if (sizeIn(encoding, text) <= ALONE_MAX[encoding]) return { encoding, parts: [text] }
  const perPartMax = PER_PART_MAX[encoding][refBits]
  const ends = greedyEnds(text, 0, encoding, perPartMax)
  if (ends.length > PARTS_MAX) throw new RangeError(`the text needs more than ${PARTS_MAX} parts`)
  const parts: string[] = []
  for (let start = 0; start < text.length; ) {
    const end = endOfPart(text, start, encoding, perPartMax)
    const gentle = end === text.length ? end : endOfCharacter(text, start, end)
    // Ending early may push the rest into one part more.
    const rest = gentle === end ? 0 : greedyEnds(text, gentle, encoding, perPartMax).length
    const chosen = parts.length + 1 + rest <= ends.length ? gentle : end
    parts.push(text.slice(start, chosen))
    start = chosen
  }
  return { encoding, parts }
}

/** Where the parts of the text from `from` on end, each as full as it can be. */
function greedyEnds(text: string, from: number, encoding: Encoding, perPartMax: number): readonly number[] {
  const ends: number[] = []
  for (let start = from; start < text.length; ) {
    start = endOfPart(text, start, encoding, perPartMax)
    ends.push(start)
  }
  return ends
}

const characters = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** The last end of a whole character in (start, end]; `end` itself when one fills the part. */
function endOfCharacter(text: string, start: number, end: number): number {
  const torn = characters.segment(text.slice(start)).containing(end - start)
  return torn === undefined || torn.index === 0 ? end : start + torn.index
}

const sizeIn = (encoding: Encoding, text: string): number =>
  encoding === 'GSM7' ? (septetCount(text) ?? 0) : text.length

/** Alphabet and size: septets or UTF-16 units, in which the limits above are given. */
function measure(text: string): { readonly encoding: Encoding; readonly size: number } {
  const septets = septetCount(text)
  return septets === null ? { encoding: 'UCS2', size: text.length } : { encoding: 'GSM7', size: septets }
}

/** Index after the last unit of the part that begins at `start`. */
const endOfPart = (text: string, start: number, encoding: Encoding, max: number): number =>
  encoding === 'GSM7' ? endOfGsm7Part(text, start, max) : endOfUcs2Part(text, start, max)

function endOfGsm7Part(text: string, start: number, septetsMax: number): number {
  let septets = 0
  for (let i = start; i < text.length; i++) {
    septets += septetsOf(text.charCodeAt(i))
    if (septets > septetsMax) return i
  }
  return text.length
}

function endOfUcs2Part(text: string, start: number, unitsMax: number): number {
  const end = start + unitsMax
  if (end >= text.length) return text.length
  const tearsPair = isHighSurrogate(text.charCodeAt(end - 1)) && isLowSurrogate(text.charCodeAt(end))
  return tearsPair ? end - 1 : end
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff
