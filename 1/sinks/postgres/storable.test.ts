import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { storableInstant, storableJson, storableText } from './storable.ts'

describe('storable text', () => {
  it('replaces NUL and leaves everything else', () => {
    expect(storableText('OP\u0000-1 é \\u0000')).toBe('OP\uFFFD-1 é \\u0000')
  })

  it('replaces NUL and halves of surrogate pairs in JSON, in keys and at any depth', () => {
    const json = storableJson({ 'a\u0000': [{ b: 'x\ud800y' }, '\u0000', null, 1], c: '\ud83d\ude00' })
    expect(JSON.parse(json)).toEqual({ 'a\uFFFD': [{ b: 'x\uFFFDy' }, '\uFFFD', null, 1], c: '\ud83d\ude00' })
  })

  it('does not touch JSON that only talks about escapes', () => {
    const value = { text: 'a \\u0000 in words', path: 'C:\\users' }
    expect(JSON.parse(storableJson(value))).toEqual(value)
  })

  it('keeps every value that Postgres can store', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const clean = JSON.stringify(value)
        fc.pre(!clean.includes('\\u0000') && !/\\ud[89a-f]/.test(clean))
        expect(storableJson(value)).toBe(clean)
      }),
    )
  })
})

describe('storable instants', () => {
  it('are days that exist', () => {
    expect(storableInstant('2026-02-30T01:02:03.004Z')).toBe('2026-03-02T01:02:03.004Z')
    expect(storableInstant('2026-04-18T10:23:40.180Z')).toBe('2026-04-18T10:23:40.180Z')
  })
})
