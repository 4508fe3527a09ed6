import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decompressed } from './decompress.ts'
import { UNPACKED_BYTES_MAX } from './unpacked.ts'

const [GZIP, SNAPPY, LZ4, ZSTD] = [1, 2, 3, 4]

/** A literal, and then a copy of what came `distance` bytes before; the last has no copy. */
interface Step {
  readonly literal: Buffer
  readonly distance: number
  readonly count: number
}

const step: fc.Arbitrary<Step> = fc.record({
  literal: fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  distance: fc.integer({ min: 1, max: 3_000 }),
  count: fc.integer({ min: 4, max: 700 }),
})

const steps = fc.array(step, { minLength: 1, maxLength: 30 })

const distanceAt = (out: readonly number[], { distance }: Step): number => Math.min(distance, out.length)

/** What the steps make, byte by byte. */
function unpackedFrom(all: readonly Step[]): Buffer {
  const out: number[] = []
  for (const [i, one] of all.entries()) {
    out.push(...one.literal)
    if (i === all.length - 1) break
    const distance = distanceAt(out, one)
    for (let n = 0; n < one.count; n += 1) out.push(out[out.length - distance] ?? 0)
  }
  return Buffer.from(out)
}

/** Steps with distances that exist, and how long everything is before each. */
function placed(all: readonly Step[]): readonly Step[] {
  let before = 0
  return all.map((one) => {
    before += one.literal.length
    const distance = Math.min(one.distance, before)
    before += one.count
    return { ...one, distance }
  })
}

const uint16 = (value: number): Buffer => Buffer.from([value & 0xff, value >>> 8])

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function uint32BE(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function rest(length: number): Buffer {
  if (length < 15) return Buffer.alloc(0)
  const full = Buffer.alloc(Math.floor((length - 15) / 255), 255)
  return Buffer.concat([full, Buffer.from([(length - 15) % 255])])
}

/** One block of LZ4 for the steps. */
function lz4Block(all: readonly Step[]): Buffer {
  const parts = placed(all).flatMap(({ literal, distance, count }, i) => {
    const isLast = i === all.length - 1
    const match = isLast ? 0 : count - 4
    const token = (Math.min(literal.length, 15) << 4) | Math.min(match, 15)
    const copy = isLast ? [] : [uint16(distance), rest(match)]
    return [Buffer.from([token]), rest(literal.length), literal, ...copy]
  })
  return Buffer.concat(parts)
}

const lz4Frame = (blocks: readonly Buffer[], flags = 0x40): Buffer =>
  Buffer.concat([
    uint32(0x184d2204),
    Buffer.from([flags, 0x40, 0]),
    ...blocks.flatMap((block) => [uint32(block.length), block]),
    uint32(0),
  ])

/** One block of snappy for the steps, with copies of all three kinds. */
function snappyBlock(all: readonly Step[], length: number): Buffer {
  const header: number[] = []
  for (let left = length; ; left >>>= 7) {
    header.push(left >= 0x80 ? (left & 0x7f) | 0x80 : left)
    if (left < 0x80) break
  }
  const parts = placed(all).flatMap(({ literal, distance, count }, i) => {
    const isLast = i === all.length - 1
    return [snappyLiteral(literal), ...(isLast ? [] : snappyCopies(distance, count))]
  })
  return Buffer.concat([Buffer.from(header), ...parts])
}

function snappyLiteral(literal: Buffer): Buffer {
  const length = literal.length - 1
  if (length < 60) return Buffer.concat([Buffer.from([length << 2]), literal])
  return Buffer.concat([Buffer.from([61 << 2]), uint16(length), literal])
}

function snappyCopies(distance: number, count: number): Buffer[] {
  const copies: Buffer[] = []
  for (let left = count; left > 0; ) {
    const isShort = left >= 4 && left <= 11 && distance < 2_048
    const bytes = isShort ? left : Math.min(left, 64)
    if (isShort) copies.push(Buffer.from([((distance >>> 8) << 5) | ((bytes - 4) << 2) | 1, distance & 0xff]))
    else if (bytes % 2 === 0) copies.push(Buffer.from([((bytes - 1) << 2) | 2]), uint16(distance))
    else copies.push(Buffer.from([((bytes - 1) << 2) | 3]), uint32(distance))
    left -= bytes
  }
  return copies
}

const xerial = (blocks: readonly Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
    ...blocks.flatMap((block) => [uint32BE(block.length), block]),
  ])

/** A frame of one stored block, as RFC 8878 has it. */
const zstdFrame = (content: Buffer): Buffer => {
  const header = (content.length << 3) | 1
  return Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0]),
    uint32(content.length),
    Buffer.from([header & 0xff, (header >>> 8) & 0xff, header >>> 16]),
    content,
  ])
}

describe('what is packed', { timeout: 60_000 }, () => {
  it('fault R4: with lz4 comes out as it was, in one block or in several', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const expected = unpackedFrom(all)
        expect(decompressed(lz4Frame([lz4Block(all)]), LZ4)).toEqual(expected)
        const twice = Buffer.concat([expected, expected])
        expect(decompressed(lz4Frame([lz4Block(all), lz4Block(all)]), LZ4)).toEqual(twice)
        expect(
          decompressed(Buffer.concat([lz4Frame([lz4Block(all)]), lz4Frame([lz4Block(all)])]), LZ4),
        ).toEqual(twice)
      }),
    )
  })

  it('fault R4: with snappy comes out as it was, in the frame of the Java clients or without', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const expected = unpackedFrom(all)
        const block = snappyBlock(all, expected.length)
        expect(decompressed(block, SNAPPY)).toEqual(expected)
        expect(decompressed(xerial([block, block]), SNAPPY)).toEqual(Buffer.concat([expected, expected]))
      }),
    )
  })

  it('fault R4: with zstd comes out as it was', () => {
    expect(decompressed(zstdFrame(Buffer.from('hello')), ZSTD).toString()).toBe('hello')
  })

  it('is left alone when it is not packed', () => {
    const bytes = Buffer.from('plain')
    expect(decompressed(bytes, 0)).toBe(bytes)
  })
})

describe('what does not unpack', { timeout: 60_000 }, () => {
  const all: Step[] = [
    { literal: Buffer.from('abcdefgh'), distance: 3, count: 20 },
    { literal: Buffer.from('end'), distance: 1, count: 4 },
  ]
  const samples: [string, number, Buffer][] = [
    ['gzip', GZIP, gzipSync(unpackedFrom(all))],
    ['snappy', SNAPPY, snappyBlock(all, unpackedFrom(all).length)],
    ['snappy in a frame', SNAPPY, xerial([snappyBlock(all, unpackedFrom(all).length)])],
    ['lz4', LZ4, lz4Frame([lz4Block(all)])],
    ['zstd', ZSTD, zstdFrame(unpackedFrom(all))],
  ]

  it.each(samples)('fault R4: %s, wherever it is cut off, ends with a RangeError', (_, codec, packed) => {
    for (let length = 1; length < packed.length; length += 1) {
      expect(['unpacked', 'RangeError']).toContain(outcomeOf(packed.subarray(0, length), codec))
    }
  })

  it.each(samples)(
    'fault R4: %s, whatever is changed in it, ends, with a RangeError at worst',
    (_, codec, packed) => {
      const change = fc.record({ at: fc.nat({ max: packed.length - 1 }), to: fc.nat({ max: 255 }) })
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
          const spoiled = Buffer.from(packed)
          for (const { at, to } of changes) spoiled[at] = to
          expect(['unpacked', 'RangeError']).toContain(outcomeOf(spoiled, codec))
        }),
        { numRuns: 500 },
      )
    },
    60_000,
  )

  it.each([
    ['lz4', LZ4, lz4Frame([Buffer.from([0x10, 0x61, 2, 0, 0x00])])],
    ['lz4', LZ4, lz4Frame([Buffer.from([0x10, 0x61, 0, 0, 0x00])])],
    ['snappy', SNAPPY, Buffer.from([5, 0x00, 0x61, (3 << 2) | 2, 2, 0])],
  ])('fault R4: %s that refers to what is not there is refused', (_, codec, packed) => {
    expect(() => decompressed(packed, codec)).toThrow('it refers to what is not there')
  })

  it.each([
    ['lz4', LZ4, lz4Frame([bomb()])],
    ['snappy', SNAPPY, snappyBlock([], UNPACKED_BYTES_MAX + 1)],
    [
      'zstd',
      ZSTD,
      Buffer.concat([
        zstdFrame(Buffer.alloc(0)).subarray(0, 5),
        uint32(UNPACKED_BYTES_MAX + 1),
        Buffer.alloc(9),
      ]),
    ],
  ])('fault R4: %s that grows beyond the limit is refused', (_, codec, packed) => {
    expect(() => decompressed(packed, codec)).toThrow(RangeError)
  })
})

/** The name of what was thrown. */
function outcomeOf(packed: Buffer, codec: number): string {
  try {
    decompressed(packed, codec)
    return 'unpacked'
  } catch (error) {
    return error instanceof RangeError ? 'RangeError' : String(error)
  }
}

/** A byte that is repeated more often than anybody has room for. */
function bomb(): Buffer {
  const repeats = Math.ceil(UNPACKED_BYTES_MAX / 255) + 1
  return Buffer.concat([Buffer.from([0x1f, 0x61, 1, 0]), Buffer.alloc(repeats, 255), Buffer.from([0])])
}
