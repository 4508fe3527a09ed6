import { describe, expect, it } from 'vitest'
import { classOfSubmit, isBindRefusal } from './status-class.ts'

const NONE = new Map()

describe('CON-5.4 status classes', () => {
  it.each([
    ['accepted', [0x00]],
    ['throttle', [0x58, 0x14]],
    ['transient', [0x08, 0x64, 0xff]],
    ['session', [0x04, 0x05, 0x0d]],
    [
      'permanent',
      [0x01, 0x02, 0x03, 0x06, 0x07, 0x0a, 0x0b, 0x0c, 0x15, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x45],
    ],
    [
      'permanent',
      [0x48, 0x49, 0x4c, 0x50, 0x51, 0x54, 0x55, 0x61, 0x62, 0x63, 0x65, 0x66, 0xc0, 0xc1, 0xc2, 0xc3],
    ],
    ['permanent', [0xc4, 0xfe]],
  ])('%s: %j', (name, codes) => {
    for (const code of codes) expect(classOfSubmit(code, NONE)).toBe(name)
  })

  it('a status that nobody knows is unknown [ST2]', () => {
    for (const code of [0x09, 0x22, 0x67, 0x400, 0x4a1, 0xffffffff])
      expect(classOfSubmit(code, NONE)).toBe('unknown')
  })

  it('an override moves one code, but never makes a refusal of ESME_ROK', () => {
    const overrides = new Map([
      [0x14, 'permanent' as const],
      [0x00, 'permanent' as const],
    ])
    expect(classOfSubmit(0x14, overrides)).toBe('permanent')
    expect(classOfSubmit(0x58, overrides)).toBe('throttle')
    expect(classOfSubmit(0x00, overrides)).toBe('accepted')
  })

  it('the three bind refusals pause the bind, and as answer to a submit end the session', () => {
    for (const code of [0x0e, 0x0f, 0x53]) {
      expect(isBindRefusal(code)).toBe(true)
      expect(classOfSubmit(code, NONE)).toBe('session')
    }
    // fault G8: the ghost of our last session must not pause us until a person acts [B13].
    for (const code of [0x00, 0x03, 0x05, 0x08, 0x0d]) expect(isBindRefusal(code)).toBe(false)
  })
})
