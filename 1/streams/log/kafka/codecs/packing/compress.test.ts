import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODEC_NUMBER, compressed } from './compress.ts'
import { decompressed } from './decompress.ts'

/** In the first byte behind the magic number of an LZ4 frame. */
const INDEPENDENT_BLOCKS = 0x20

describe('what is packed with lz4', () => {
  it('comes out as it was, whatever it is', () => {
    const repeated = fc.uint8Array({ minLength: 1, maxLength: 300 }).chain((part) =>
      fc.integer({ min: 1, max: 2_000 }).map((times) => {
        return Buffer.concat(Array.from({ length: times }, () => Buffer.from(part)))
      }),
    )
    fc.assert(
      fc.property(repeated, (bytes) => {
        const packed = compressed(bytes, 'lz4')
        expect(packed === undefined ? bytes : decompressed(packed, CODEC_NUMBER.lz4)).toEqual(bytes)
      }),
    )
  })

  it('is a frame of independent blocks, as the brokers and their other clients read it', () => {
    const packed = compressed(Buffer.alloc(300_000, 'abc '), 'lz4')
    expect(packed?.readUInt32LE(0)).toBe(0x184d2204)
    expect((packed?.readUInt8(4) ?? 0) & INDEPENDENT_BLOCKS).toBe(INDEPENDENT_BLOCKS)
    expect(packed?.length).toBeLessThan(10_000)
  })

  it('is left as it is when it is short, gains nothing, or packing was not asked for', () => {
    expect(compressed(Buffer.alloc(511, 'a'), 'lz4')).toBeUndefined()
    expect(compressed(Buffer.alloc(512, 'a'), 'lz4')).toBeDefined()
    expect(compressed(randomBytes(4_096), 'lz4')).toBeUndefined()
    expect(compressed(Buffer.alloc(4_096, 'a'), 'none')).toBeUndefined()
  })
})
