import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isGsm7 } from './gsm7.ts'
import { senderKind } from './sender.ts'

describe('ORC-4.2 a sender is an E.164 number, a short code or a name', () => {
  test.each([
    ['+447700900123', 'e164'],
    ['+123456789012345', 'e164'],
    ['123', 'short_code'],
    ['12345678', 'short_code'],
    ['GHASI', 'alphanumeric'],
    ['A', 'alphanumeric'],
    ['My Shop-24_7', null],
    ['My Shop-247', 'alphanumeric'],
    ['Brand & Co.', 'alphanumeric'],
    ['ELEVENCHARS', 'alphanumeric'],
    ['TWELVE CHARS', null],
    ['Çà Ωmega', 'alphanumeric'],
    ['12', null],
    ['123456789', null],
    ['447700900123', null],
    ['+0123', null],
    ['+', null],
    ['', null],
    ['   ', null],
    ['&-_', null],
    ['Почта', null],
    ['shop`', null],
    ['a\nb', null],
    ['+1234567890123456', null],
    ['x'.repeat(21), null],
  ])('%j: %s', (from, kind) => {
    expect(senderKind(from)).toBe(kind)
  })

  test('an extension character takes two of the eleven places', () => {
    expect(senderKind('Shop [Kabul')).toBeNull()
    expect(senderKind('Shop [Kabu')).toBe('alphanumeric')
  })

  test('a name is 1 to 11 GSM characters with a letter, whatever the text', () => {
    const texts = fc.oneof(fc.string({ maxLength: 30 }), fc.stringMatching(/^\+?[0-9a-z €]{0,14}$/))
    fc.assert(
      fc.property(texts, (from) => {
        const namelike = isGsm7(from) && from.length <= 11 && /[a-z]/i.test(from)
        expect(senderKind(from) !== 'alphanumeric' || namelike).toBe(true)
        expect(senderKind(from) === 'short_code').toBe(/^[0-9]{3,8}$/.test(from))
      }),
    )
  })
})
