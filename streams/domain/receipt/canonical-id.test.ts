import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidatesOf, type CanonicalIdRule, canonicalOf } from './canonical-id.ts'

const meet = (submitted: string, received: string, rules: readonly CanonicalIdRule[]): boolean =>
  canonicalOf(submitted, 'submit', rules) === canonicalOf(received, 'receipt', rules)

describe('a receipt meets its submit response under the rules of its operator', () => {
  test.each<[string, string, readonly CanonicalIdRule[]]>([
    ['OP-MSG-20240418-00123', 'OP-MSG-20240418-00123', ['exact']],
    ['a29f6845555647139e5c8f3b817f2c9a', 'a29f6845555647139e5c8f3b817f2c9a', []],
    ['SAR-2347039245475-1eedf843-2-1', 'SAR-2347039245475-1EEDF843-2-1', ['lower']],
    ['1101c1-c9d03d-f000', '1101C1-C9D03D-F000', ['lower']],
    ['000024', '24', ['zeros']],
    ['04062581461644996000241', '4062581461644996000241', ['zeros']],
    ['812FC7470000001B', '9308878062554710043', ['hex2dec']],
    ['6aad5', '0000436949', ['hex2dec']],
    ['6aad5', '0000436949', ['zeros', 'hex2dec']],
    ['06AAD5', '436949', ['hex2dec', 'zeros']],
    ['18d0e03a', '0416342074', ['hex2dec']],
    ['9308878062554710043', '812FC7470000001B', ['dec2hex']],
    ['0000436949', '06aad5', ['dec2hex']],
    ['4062581461644996000241', 'DC3BA4BAE3153839F1', ['dec2hex']],
    ['c87c2273-7edb-4bc7-8d3a-7f57f21b625e', 'c87c2273-7edb-4bc7-8d3a-7f57f21b625e', ['hex2dec']],
    ['1101C1-C9D03D-F000', '1101c1-c9d03d-f000', ['lower', 'dec2hex']],
    ['c87c2273-7edb-4bc7-8d3a-7f57f21b625e', 'C87C22737EDB4BC78D3A7F57F21B625E', ['hyphens', 'lower']],
  ])('%s and %s under %j', (submitted, received, rules) => {
    expect(meet(submitted, received, rules)).toBe(true)
  })

  test.each<[string, string, readonly CanonicalIdRule[]]>([
    ['04062581461644996000241', '04062581461644996000141', ['zeros']],
    ['812FC7470000001B', '9308878062554710044', ['hex2dec']],
    ['6aad5', '0000436949', ['exact']],
    ['6aad5', '0000436949', ['lower']],
    ['000024', '24', ['exact']],
    ['ABC', 'abc', ['exact']],
    ['ABC', 'abc', ['zeros']],
    ['10', '10', ['hex2dec']],
    ['10', '10', ['dec2hex']],
  ])('%s and %s do not meet under %j', (submitted, received, rules) => {
    expect(meet(submitted, received, rules)).toBe(false)
  })
})

describe('the canonical id itself', () => {
  test.each<[string, 'submit' | 'receipt', readonly CanonicalIdRule[], string]>([
    ['000', 'receipt', ['zeros'], '0'],
    ['', 'receipt', ['zeros', 'lower', 'hex2dec'], ''],
    ['00AbC', 'submit', ['zeros'], 'AbC'],
    ['00AbC', 'submit', ['lower', 'zeros'], 'abc'],
    ['0000', 'submit', ['hex2dec'], '0'],
    ['not hex', 'submit', ['hex2dec'], 'not hex'],
    ['0x1F', 'submit', ['hex2dec'], '0x1F'],
    ['-1', 'submit', ['dec2hex'], '-1'],
    ['00G7', 'receipt', ['dec2hex'], '00G7'],
    ['00FF', 'receipt', ['hex2dec'], '00FF'],
    ['--', 'receipt', ['hyphens'], '--'],
  ])('of %j on the %s side under %j is %j', (id, side, rules, expected) => {
    expect(canonicalOf(id, side, rules)).toBe(expected)
  })
})

const number = fc.bigInt({ min: 0n, max: 10n ** 64n })
const zeros = fc.nat({ max: 8 }).map((count) => '0'.repeat(count))
const upper = fc.boolean()
const hexOf = (value: bigint, inUpper: boolean): string =>
  inUpper ? value.toString(16).toUpperCase() : value.toString(16)

describe('whatever the padding and the case', () => {
  test('hex2dec brings a hexadecimal response and a decimal receipt together exactly if the numbers are equal', () => {
    fc.assert(
      fc.property(
        number,
        zeros,
        zeros,
        upper,
        fc.bigInt({ min: 0n, max: 1n }),
        (value, a, b, inUpper, off) => {
          const submitted = a + hexOf(value, inUpper)
          expect(meet(submitted, b + (value + off).toString(), ['hex2dec'])).toBe(off === 0n)
        },
      ),
    )
  })

  test('dec2hex brings a decimal response and a hexadecimal receipt together exactly if the numbers are equal', () => {
    fc.assert(
      fc.property(
        number,
        zeros,
        zeros,
        upper,
        fc.bigInt({ min: 0n, max: 1n }),
        (value, a, b, inUpper, off) => {
          expect(meet(a + value.toString(), b + hexOf(value + off, inUpper), ['dec2hex'])).toBe(off === 0n)
        },
      ),
    )
  })

  test('a second application of a rule that treats both sides alike changes nothing', () => {
    // A hyphen may hide zeros: taken away after them it bares what `zeros` would then take.
    const alike: CanonicalIdRule[] = ['exact', 'hyphens', 'lower', 'zeros']
    const ids = fc.stringMatching(/^0{0,3}[0-9A-Za-z-]{0,20}$/)
    fc.assert(
      fc.property(ids, fc.subarray(alike), (id, rules) => {
        const once = canonicalOf(id, 'submit', rules)
        expect(canonicalOf(once, 'submit', rules)).toBe(once)
        expect(canonicalOf(id, 'receipt', rules)).toBe(once)
      }),
    )
  })
})

describe('the candidates of a receipt [K4]', () => {
  test.each<[readonly string[], readonly CanonicalIdRule[], readonly string[]]>([
    [['A'], [], ['A']],
    [['A', 'B', 'A'], ['exact'], ['A', 'B']],
    [['Ab', 'aB'], ['lower'], ['ab']],
    [['007', '7'], ['zeros'], ['7']],
    [['a-b', 'AB'], ['hyphens', 'lower'], ['ab']],
    [['1001'], ['hex2dec'], ['1001', '4097']],
    [['0000004097', '1001'], ['hex2dec'], ['4097', '16535', '1001']],
    [['1a2B'], ['hex2dec'], ['6699']],
    [['1001'], ['dec2hex'], ['1001', '3e9']],
    [['00FF'], ['dec2hex'], ['ff']],
    [['no number'], ['hex2dec'], ['no number']],
    [['9'], ['hex2dec'], ['9']],
  ])('%j under %j are %j', (ids, rules, expected) => {
    expect(candidatesOf(ids, rules)).toEqual(expected)
  })

  test('hold the id of the submission whichever of the two bases a receipt is written in', () => {
    fc.assert(
      fc.property(number, zeros, upper, fc.boolean(), (value, padding, inUpper, isHex) => {
        const [hex, decimal] = [hexOf(value, inUpper), value.toString()]
        expect(candidatesOf([padding + (isHex ? hex : decimal)], ['hex2dec'])).toContain(
          canonicalOf(hex, 'submit', ['hex2dec']),
        )
        expect(candidatesOf([padding + (isHex ? hex : decimal)], ['dec2hex'])).toContain(
          canonicalOf(decimal, 'submit', ['dec2hex']),
        )
      }),
    )
  })
})
