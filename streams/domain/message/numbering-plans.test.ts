import * as fc from 'fast-check'
import {
  getExampleNumber,
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
} from 'libphonenumber-js'
import examples from 'libphonenumber-js/examples.mobile.json' with { type: 'json' }
import { expect, test } from 'vitest'
import { isPlainlyPossible } from './numbering-plans.ts'

/** What the library makes of a number that it takes; undefined when it does not. */
function byLibrary(e164: string): string | undefined {
  const number = parsePhoneNumberFromString(e164, { extract: false })
  return number?.isPossible() === true && number.ext === undefined ? number.number : undefined
}

const mobiles = getCountries().flatMap((country) => getExampleNumber(country, examples)?.number ?? [])
const callingCodes = [...new Set(getCountries().map((country) => getCountryCallingCode(country)))]
const digits = (max: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: max }).map((list) => list.join(''))

test('what is plainly possible is possible to the library, and the same number', () => {
  const anywhere = fc
    .tuple(fc.constantFrom(...callingCodes), digits(13))
    .map(([code, rest]) => `+${code}${rest}`)
  // A digit too many, or in front of the number, is what national prefixes look like.
  const nearExample = fc
    .tuple(fc.constantFrom(...mobiles), fc.nat(5), digits(2), fc.nat(2))
    .map(([e164, at, inserted, drop]) => `${e164.slice(0, at + 1)}${inserted}${e164.slice(at + 1 + drop)}`)
  const numbers = fc.oneof(
    anywhere,
    nearExample,
    digits(15).map((all) => `+${all}`),
  )
  const decided = fc.sample(numbers, 20_000).filter(isPlainlyPossible)
  expect(decided.length).toBeGreaterThan(1_000)
  expect(decided.filter((e164) => byLibrary(e164) !== e164)).toEqual([])
})

test('nearly every mobile number of the world is plainly possible', () => {
  expect(mobiles.length).toBeGreaterThan(200)
  const undecided = mobiles.filter((e164) => !isPlainlyPossible(e164))
  expect(undecided.length).toBeLessThan(mobiles.length / 20)
})

test('what a national prefix may stand in front of is left to the library', () => {
  expect(isPlainlyPossible('+447700900123')).toBe(true)
  expect(isPlainlyPossible('+440770090012')).toBe(false)
  expect(byLibrary('+440770090012')).toBe('+44770090012')
  expect(isPlainlyPossible('+5215512345678')).toBe(false)
  expect(isPlainlyPossible('+999123456789')).toBe(false)
})
