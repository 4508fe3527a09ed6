import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isE164, parseDestination } from './msisdn.ts'

describe('ORC-1.3 a destination is normalised to E.164', () => {
  test.each([
    ['+447700900123', '+447700900123'],
    ['  +44 7700 900123\n', '+447700900123'],
    ['+44 (0)7700 900123', '+447700900123'],
    ['+44-7700.900/123', '+447700900123'],
    ['+1 (202) 555-0100', '+12025550100'],
    ['+39 06 12345678', '+390612345678'],
    ['+93 70 123 4567', '+93701234567'],
    ['\u202a+44 7700 900123\u202c', '+447700900123'],
    ['+44\u200b7700\u00ad900\ufeff123', '+447700900123'],
    ['+5215541637145', '+525541637145'],
    ['+52 1 55 4163 7145', '+525541637145'],
    ['+52 55 4163 7145', '+525541637145'],
  ])('%j becomes %s', (input, e164) => {
    expect(parseDestination(input)).toEqual({ ok: true, e164 })
  })

  test.each([
    ['+447700900123', 'the United Kingdom drama range'],
    ['+521234567890', 'a Mexican number of the old plan'],
    ['+15005550006', 'a test number of a provider'],
  ])('%s is accepted because it is possible, assigned or not (%s)', (input) => {
    expect(parseDestination(input).ok).toBe(true)
  })

  test.each([
    ['07700900123', 'national form'],
    ['00447700900123', 'international prefix instead of a plus'],
    ['447700900123', 'no plus'],
    ['tel:+447700900123', 'a URI'],
    ['tel:07700900123;phone-context=+44', 'a URI with its context'],
    ['+447700900123 x5', 'an extension'],
    ['+447700900123;ext=5', 'an extension'],
    ['call +447700900123', 'text around the number'],
    ['+447700900123 please', 'text behind the number'],
    ['+447700900123,+447700900124', 'two numbers'],
    ['+4477009001234', 'one digit too many'],
    ['+1202555', 'too short'],
    ['+999123456789', 'no such country'],
    ['+49301234567890123', 'over 15 digits'],
    ['+0447700900123', 'leading zero'],
    ['+49 00 568568', 'two national prefixes, of which only one is dropped'],
    ['+1 800 FLOWERS', 'letters'],
    ['+', 'nothing behind the plus'],
    ['', 'nothing'],
    ['+'.repeat(100_000), 'nonsense of any length'],
  ])('%j is refused', (input) => {
    expect(parseDestination(input)).toEqual({ ok: false })
  })

  test('whatever is accepted is E.164 and normalises to itself', () => {
    const numbers = fc
      .tuple(
        fc.constantFrom('+44 ', '+1 (', '+93', '+49', '+86-', '+'),
        fc.stringMatching(/^[0-9 )-]{6,18}$/),
      )
      .map(([prefix, rest]) => prefix + rest)
    const accepted = fc.sample(fc.oneof(numbers, fc.string()), 20_000).map(parseDestination)
    const e164s = accepted.flatMap((destination) => (destination.ok ? [destination.e164] : []))
    expect(e164s.length).toBeGreaterThan(50)
    expect(e164s.filter((e164) => !isE164(e164))).toEqual([])
    expect(e164s.map((e164) => parseDestination(e164))).toEqual(e164s.map((e164) => ({ ok: true, e164 })))
  })
})

describe('ORC-4.2 the outbound topology checks E.164 again', () => {
  test.each([
    ['+447700900123', true],
    ['+12', true],
    ['+123456789012345', true],
    ['+1234567890123456', false],
    ['+1', false],
    ['+0123', false],
    ['447700900123', false],
    ['+44 7700900123', false],
    ['+447700900123\n', false],
    ['+٤٤٧٧٠٠٩٠٠١٢٣', false],
  ])('%j: %s', (text, expected) => {
    expect(isE164(text)).toBe(expected)
  })
})
