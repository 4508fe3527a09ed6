import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeGsm7, decodeUcs2, encodeGsm7, encodeUcs2, isGsm7, septetCount } from './gsm7.ts'

/**
 * 3GPP TS 23.038 6.2.1 and 6.2.1.1 by code point, typed from the standard and apart from the code
 * under test.
 */
const BASIC_CODE_POINTS = [
  0x40, 0xa3, 0x24, 0xa5, 0xe8, 0xe9, 0xf9, 0xec, 0xf2, 0xc7, 0x0a, 0xd8, 0xf8, 0x0d, 0xc5, 0xe5, 0x394, 0x5f,
  0x3a6, 0x393, 0x39b, 0x3a9, 0x3a0, 0x3a8, 0x3a3, 0x398, 0x39e, 0x1b, 0xc6, 0xe6, 0xdf, 0xc9, 0x20, 0x21,
  0x22, 0x23, 0xa4, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33,
  0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0xa1, 0x41, 0x42, 0x43, 0x44, 0x45,
  0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57,
  0x58, 0x59, 0x5a, 0xc4, 0xd6, 0xd1, 0xdc, 0xa7, 0xbf, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
  0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xe4,
  0xf6, 0xf1, 0xfc, 0xe0,
]
const EXTENSION_CODE_POINTS: readonly (readonly [number, number])[] = [
  [0x0a, 0x0c],
  [0x14, 0x5e],
  [0x28, 0x7b],
  [0x29, 0x7d],
  [0x2f, 0x5c],
  [0x3c, 0x5b],
  [0x3d, 0x7e],
  [0x3e, 0x5d],
  [0x40, 0x7c],
  [0x65, 0x20ac],
]
const ESCAPE = 0x1b
const characters = [...BASIC_CODE_POINTS, ...EXTENSION_CODE_POINTS.map(([, codePoint]) => codePoint)]
  .filter((codePoint) => codePoint !== ESCAPE)
  .map((codePoint) => String.fromCodePoint(codePoint))
const gsmText = fc.string({ unit: fc.constantFrom(...characters), maxLength: 400, size: 'max' })

describe('CON-5.1 the GSM 03.38 alphabet', () => {
  test('has 127 basic characters, each in one septet of its own', () => {
    expect(BASIC_CODE_POINTS).toHaveLength(128)
    for (const [septet, codePoint] of BASIC_CODE_POINTS.entries()) {
      if (septet === ESCAPE) continue
      const character = String.fromCodePoint(codePoint)
      expect([...encodeGsm7(character)]).toEqual([septet])
      expect(decodeGsm7(Uint8Array.of(septet))).toBe(character)
    }
  })

  test('has ten extension characters, each behind an escape', () => {
    for (const [septet, codePoint] of EXTENSION_CODE_POINTS) {
      const character = String.fromCodePoint(codePoint)
      expect([...encodeGsm7(character)]).toEqual([ESCAPE, septet])
      expect(decodeGsm7(Uint8Array.of(ESCAPE, septet))).toBe(character)
    }
  })

  test('has no other of the 65,536 UTF-16 units', () => {
    const inside: string[] = []
    for (let unit = 0; unit < 0x1_0000; unit++) {
      if (isGsm7(String.fromCharCode(unit))) inside.push(String.fromCharCode(unit))
    }
    expect(inside.sort()).toEqual([...characters].sort())
  })

  test('has the capital C cedilla at 0x09, and neither the small one, the backtick nor the raw escape', () => {
    expect([...encodeGsm7('Ç')]).toEqual([0x09])
    expect(['ç', '`', '\u001b'].filter(isGsm7)).toEqual([])
  })

  test('counts an extension character as two septets, and refuses to count a foreign one', () => {
    expect(septetCount('a€{')).toBe(5)
    expect(septetCount('')).toBe(0)
    expect(septetCount('aя')).toBeNull()
  })

  test('refuses to encode a foreign character, without repeating the text in the error', () => {
    expect(() => encodeGsm7('secret я')).toThrow(/^the text holds a character outside GSM 03\.38$/)
  })

  test('brings any of its texts through encoding and decoding unchanged', () => {
    fc.assert(
      fc.property(gsmText, (text) => {
        const octets = encodeGsm7(text)
        expect(octets).toHaveLength(septetCount(text) ?? -1)
        expect(decodeGsm7(octets)).toBe(text)
      }),
    )
  })
})

describe('CON-5.8 octets that no correct sender makes', () => {
  test.each([
    ['a last escape is a space', [0x41, 0x1b], 'A '],
    ['a doubled escape is a space', [0x1b, 0x1b, 0x41], ' A'],
    ['an escape before an undefined septet is dropped', [0x1b, 0x41], 'A'],
    ['an octet above 0x7F is the replacement character', [0x41, 0x80, 0xff], 'A\ufffd\ufffd'],
    ['an escape before an octet above 0x7F as well', [0x1b, 0xff], '\ufffd'],
  ])('%s', (_case, octets, text) => {
    expect(decodeGsm7(Uint8Array.from(octets))).toBe(text)
  })

  test('never make the decoder throw, and a decoded text is never longer than its octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), (octets) => {
        expect(decodeGsm7(octets).length).toBeLessThanOrEqual(octets.length)
        expect(decodeUcs2(octets)).toHaveLength(Math.floor(octets.length / 2))
      }),
    )
  })
})

describe('CON-5.1 UCS-2', () => {
  test('is big-endian, and carries a surrogate pair as two units', () => {
    expect(encodeUcs2('я😀').toString('hex')).toBe('044fd83dde00')
  })

  test('brings any units through encoding and decoding unchanged, lone surrogates too', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200, size: 'max' })
    fc.assert(
      fc.property(units, (all) => {
        const text = String.fromCharCode(...all)
        expect(encodeUcs2(text)).toHaveLength(2 * text.length)
        expect(decodeUcs2(encodeUcs2(text))).toBe(text)
      }),
    )
  })

  test('drops a last odd octet and leaves the octets that it was given alone', () => {
    const octets = Uint8Array.of(0x04, 0x4f, 0x04)
    expect(decodeUcs2(octets)).toBe('я')
    expect([...octets]).toEqual([0x04, 0x4f, 0x04])
  })
})
