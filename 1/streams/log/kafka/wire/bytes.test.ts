import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { putVarint, putVarlong, varintBytes, varlongBytes } from '../codecs/varint.ts'

const fields = fc.record({
  int16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
  int32: fc.integer(),
  int64: fc.maxSafeInteger(),
  string: fc.string({ maxLength: 300 }),
  uvarint: fc.nat(),
  compact: fc.string({ unit: 'binary', maxLength: 300 }),
})

describe('the primitive types', () => {
  it('read back as they were written, also beyond the room that was expected', () => {
    fc.assert(
      fc.property(fc.array(fields), (all) => {
        const out = new ByteWriter(8)
        for (const one of all) {
          out.int16(one.int16).int32(one.int32).int64(one.int64)
          out.string(one.string).uvarint(one.uvarint).compactString(one.compact).noTags()
        }
        const reader = new ByteReader(out.buffer)
        const read = all.map(() => {
          const fixed = { int16: reader.int16(), int32: reader.int32(), int64: reader.int64() }
          const rest = { string: reader.string(), uvarint: reader.uvarint(), compact: reader.compactString() }
          reader.skipTags()
          return { ...fixed, ...rest }
        })
        expect(read).toEqual(all)
        expect(reader.at).toBe(out.buffer.length)
      }),
    )
  })

  it('pass over tagged fields of later versions', () => {
    // Two fields: number, length, bytes.
    const out = new ByteWriter().uvarint(2).uvarint(0).uvarint(4).int32(-1).uvarint(7).uvarint(0).int16(5)
    const reader = new ByteReader(out.buffer)
    reader.skipTags()
    expect(reader.int16()).toBe(5)
  })
})

describe('varints', () => {
  it('take as many bytes as they say', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.maxSafeNat().filter((value) => value <= 2 ** 52),
        (int, long) => {
          const out = new Uint8Array(10)
          expect(putVarint(out, 0, int)).toBe(varintBytes(int))
          expect(putVarlong(out, 0, long)).toBe(varlongBytes(long))
        },
      ),
    )
  })

  it('are zigzag and little end first', () => {
    const out = new Uint8Array(10)
    const written = (value: number) => [...out.subarray(0, putVarint(out, 0, value))]
    expect([0, -1, 1, 63, -64, 64, 2 ** 31 - 1].map(written)).toEqual([
      [0],
      [1],
      [2],
      [126],
      [127],
      [0x80, 1],
      [0xfe, 0xff, 0xff, 0xff, 0x0f],
    ])
  })
})
