import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { septetCount } from './gsm7.ts'
import { encodingOf, PARTS_MAX, segmentCount, splitText } from './text-segments.ts'

/**
 * Agreed on by two public segment libraries and an own reference; parts with an 8-bit and with a
 * 16-bit reference.
 */
const VECTORS: readonly (readonly [name: string, text: string, with8: number, with16: number])[] = [
  ['a x160', 'a'.repeat(160), 1, 1],
  ['a x161', 'a'.repeat(161), 2, 2],
  ['a x306', 'a'.repeat(306), 2, 3],
  ['a x307', 'a'.repeat(307), 3, 3],
  ['euro x80', '€'.repeat(80), 1, 1],
  ['euro x81', '€'.repeat(81), 2, 2],
  ['euro x152', '€'.repeat(152), 2, 2],
  ['euro x153', '€'.repeat(153), 3, 3],
  ['a152 euro a152', `${'a'.repeat(152)}€${'a'.repeat(152)}`, 3, 3],
  ['cyrillic x70', 'я'.repeat(70), 1, 1],
  ['cyrillic x71', 'я'.repeat(71), 2, 2],
  ['cyrillic x134', 'я'.repeat(134), 2, 3],
  ['cyrillic x135', 'я'.repeat(135), 3, 3],
  ['emoji x35', '😀'.repeat(35), 1, 1],
  ['emoji x36', '😀'.repeat(36), 2, 2],
  ['emoji x66', '😀'.repeat(66), 2, 2],
  ['emoji x67', '😀'.repeat(67), 3, 3],
  ['cyrillic66 emoji cyrillic66', `${'я'.repeat(66)}😀${'я'.repeat(66)}`, 3, 3],
  ['a159 backtick', `${'a'.repeat(159)}\``, 3, 3],
  ['a70 small c cedilla', `${'a'.repeat(70)}ç`, 2, 2],
  ['empty', '', 1, 1],
]

/**
 * Texts made of runs of one character, so that boundaries are met with every remainder and texts
 * have many parts.
 */
const runsOf = (...characters: readonly string[]): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(fc.constantFrom(...characters), fc.integer({ min: 1, max: 170 })), {
      maxLength: 12,
      size: 'max',
    })
    .map((runs) => runs.map(([character, times]) => character.repeat(times)).join(''))
const gsmText = runsOf('a', 'Z', '9', ' ', '@', 'Ç', '\n', 'Δ', '€', '{', '\\', '\f')
const wideText = runsOf('a', 'я', 'ç', '😀', '\ud800', '\udc00', '\ude00\ud83d')
const anyText = fc.oneof(gsmText, wideText, fc.string({ unit: 'grapheme', maxLength: 300, size: 'max' }))
const refBits = fc.constantFrom(8 as const, 16 as const)

/** Cost of a piece in the unit of its limits. */
const sizeOf = (piece: string, encoding: string): number =>
  encoding === 'GSM7' ? (septetCount(piece) ?? Number.NaN) : piece.length
const limitOf = (encoding: string, bits: 8 | 16): number =>
  encoding === 'GSM7' ? (bits === 8 ? 153 : 152) : bits === 8 ? 67 : 66
const aloneLimitOf = (encoding: string): number => (encoding === 'GSM7' ? 160 : 70)
const pairsIn = (piece: string): number => piece.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0

describe('ORC-1.3 segments are counted at submit', () => {
  test.each(VECTORS)('%s', (_name, text, with8, with16) => {
    expect([segmentCount(text), segmentCount(text, 8), segmentCount(text, 16)]).toEqual([
      with8,
      with8,
      with16,
    ])
    expect([splitText(text, 8).parts.length, splitText(text, 16).parts.length]).toEqual([with8, with16])
  })

  test('one foreign character turns the whole text to UCS-2', () => {
    expect(encodingOf('Your code is 4711')).toBe('GSM7')
    expect(encodingOf('')).toBe('GSM7')
    expect(encodingOf('Your code is 4711 ç')).toBe('UCS2')
  })
})

const characters = new Intl.Segmenter('und', { granularity: 'grapheme' })
const firstCharacter = (text: string): string => {
  for (const { segment } of characters.segment(text)) return segment
  return ''
}

describe('CON-5.1 a split text', () => {
  test('joins to the text, in as many parts as were counted', () => {
    fc.assert(
      fc.property(anyText, refBits, (text, bits) => {
        const { encoding, parts } = splitText(text, bits)
        expect(parts.join('')).toBe(text)
        expect(parts).toHaveLength(segmentCount(text, bits))
        expect(encoding).toBe(encodingOf(text))
      }),
    )
  })

  test('stays whole exactly when it fits alone', () => {
    fc.assert(
      fc.property(anyText, refBits, (text, bits) => {
        const { encoding, parts } = splitText(text, bits)
        expect(parts.length === 1).toBe(sizeOf(text, encoding) <= aloneLimitOf(encoding))
      }),
    )
  })

  test('has no part over its limit', () => {
    fc.assert(
      fc.property(anyText, refBits, (text, bits) => {
        const { encoding, parts } = splitText(text, bits)
        const sizeMax = parts.length === 1 ? aloneLimitOf(encoding) : limitOf(encoding, bits)
        expect(parts.filter((part) => sizeOf(part, encoding) > sizeMax)).toEqual([])
      }),
    )
  })

  test('is minimal: no part has room for the first whole character of the next', () => {
    fc.assert(
      fc.property(anyText, refBits, (text, bits) => {
        const { encoding, parts } = splitText(text, bits)
        for (const [index, next] of parts.slice(1).entries()) {
          const grown = sizeOf(`${parts[index] ?? ''}${firstCharacter(next)}`, encoding)
          expect(grown).toBeGreaterThan(limitOf(encoding, bits))
        }
      }),
    )
  })

  test.each([
    ['a flag', '🇬🇧'],
    ['a family', '👩‍👩‍👧‍👦'],
    ['a letter with its accent', 'e\u0301'],
    ['a syllable', 'क्षि'],
  ])('does not tear %s when that costs no part more', (_what, character) => {
    for (let before = 60; before <= 67; before += 1) {
      const text = `${'я'.repeat(before)}${character}${'я'.repeat(30)}`
      const { parts } = splitText(text, 8)
      expect(parts).toHaveLength(segmentCount(text, 8))
      expect(parts.filter((part) => part.includes(character))).toHaveLength(1)
    }
  })

  test('tears it when only that saves a part', () => {
    const text = `${'я'.repeat(65)}👩‍👩‍👧‍👦${'я'.repeat(134 - 65 - 11)}`
    expect(segmentCount(text, 8)).toBe(2)
    expect(splitText(text, 8).parts).toHaveLength(2)
  })

  test('never tears a surrogate pair', () => {
    fc.assert(
      fc.property(wideText, refBits, (text, bits) => {
        const { parts } = splitText(text, bits)
        expect(parts.reduce((sum, part) => sum + pairsIn(part), 0)).toBe(pairsIn(text))
      }),
    )
  })

  test.each(['\ud800\udc00', '\udbff\udc00', '\ud800\udfff', '\udbff\udfff'])(
    'keeps the first and the last surrogate pairs of Unicode whole (%j)',
    (pair) => {
      const { parts } = splitText(`${'я'.repeat(66)}${pair}${'я'.repeat(10)}`, 8)
      expect(parts).toEqual(['я'.repeat(66), `${pair}${'я'.repeat(10)}`])
    },
  )

  test('moves the escape pair and the surrogate pair that would be torn into the next part', () => {
    expect(splitText(VECTORS[8]?.[1] ?? '', 8).parts.map((part) => part.length)).toEqual([152, 152, 1])
    expect(splitText(VECTORS[17]?.[1] ?? '', 8).parts.map((part) => part.length)).toEqual([66, 67, 1])
  })

  test('has at most 255 parts; one more is refused, but can still be counted', () => {
    expect(splitText('a'.repeat(153 * PARTS_MAX), 8).parts).toHaveLength(PARTS_MAX)
    const tooLong = 'a'.repeat(153 * PARTS_MAX + 1)
    expect(() => splitText(tooLong, 8)).toThrow(RangeError)
    expect(segmentCount(tooLong, 8)).toBe(PARTS_MAX + 1)
  })
})
