import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loggableId, phoneDigits, sharedDigits } from './subscriber.ts'

describe('the digits that two numbers share [K6]', () => {
  it.each([
    ['447700900123', '07700900123', 10],
    ['5215541637145', '525541637145', 10],
    ['900123', '447700900123', 0],
    ['0900123', '447700900123', 7],
    ['447700900123', '447700900124', 0],
    ['447700900123', '447700900123', 12],
  ])('of %s and %s are %i', (a, b, shared) => {
    expect(sharedDigits(a, b)).toBe(shared)
    expect(sharedDigits(b, a)).toBe(shared)
  })

  it.each(['GHASI', '4477009*****', '12345', '', undefined, '44770090xxxx'])('%j is no number', (address) => {
    expect(phoneDigits(address)).toBeNull()
  })
})

describe('an id in a log line [LG5]', () => {
  it.each([
    ['SAR-2347039245475-1eedf843-2-1', '+2347039245475', 'SAR-[masked]-1eedf843-2-1'],
    ['SAR-07039245475-20261128', '2347039245475', 'SAR-[masked]-20261128'],
    ['39245475', '+234 703 924 5475', '[masked]'],
    ['202611282347039245475', '+2347039245475', '[masked]'],
    ['OP-MSG-20240418-00123', '+447700900123', 'OP-MSG-20240418-00123'],
    ['45475', '+2347039245475', '45475'],
    ['1234567', '567', '1234567'],
  ])('fault C2: %s of a receipt from %s is %s', (id, address, shown) => {
    expect(loggableId(id, [undefined, 'GHASI', address])).toBe(shown)
  })

  it('fault C2: never shows the last seven digits of its addresses in a row', () => {
    const digits = fc.stringMatching(/^[0-9]{7,15}$/)
    const text = fc.stringMatching(/^[0-9a-f-]{0,12}$/)
    fc.assert(
      fc.property(text, digits, text, (before, number, after) => {
        expect(loggableId(`${before}${number}${after}`, [`+${number}`])).not.toContain(number.slice(-7))
      }),
    )
  })
})
