import { Unpacked } from './unpacked.ts'

/** Of the Java clients' own frame around blocks of snappy. */
const FRAME_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
/** The magic and two versions. */
const FRAME_HEADER_BYTES = 16

/**
 * Unpacks snappy (google/snappy, format_description.txt), with the Java clients' frame or without.
 * Throws RangeError for what is damaged or too large.
 */
export function unsnappied(packed: Buffer): Buffer {
  const out = new Unpacked(4 * packed.length)
  if (!packed.subarray(0, FRAME_MAGIC.length).equals(FRAME_MAGIC)) {
    unpackBlock(packed, out)
    return out.bytes
  }
  for (let at = FRAME_HEADER_BYTES; at < packed.length; ) {
    const start = at + 4
    const end = start + packed.readUInt32BE(at)
    if (end > packed.length) throw new RangeError('a block is cut off')
    unpackBlock(packed.subarray(start, end), out)
    at = end
  }
  return out.bytes
}

function unpackBlock(block: Buffer, out: Unpacked): void {
  const start = out.end
  const [bytes, headerBytes] = lengthOf(block)
  for (let at = headerBytes; at < block.length; ) {
    const tag = block.readUInt8(at)
    at = (tag & 0x03) === 0 ? takeLiteral(block, at, tag, out) : takeCopy(block, at, tag, out)
  }
  if (out.end - start !== bytes) throw new RangeError(`a block of ${bytes} bytes unpacks to another size`)
}

/** An unsigned base-128 number in front says how much it will be. */
function lengthOf(block: Buffer): readonly [number, number] {
  let value = 0
  for (let at = 0; at < 5; at += 1) {
    const byte = block.readUInt8(at)
    value += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return [value, at + 1]
  }
  throw new RangeError('a length takes more than five bytes')
}

/** Up to 60 bytes have their length in the tag; beyond, it says how many bytes the length takes. */
function takeLiteral(block: Buffer, at: number, tag: number, out: Unpacked): number {
  const short = tag >>> 2
  const lengthBytes = short < 60 ? 0 : short - 59
  const count = (lengthBytes === 0 ? short : block.readUIntLE(at + 1, lengthBytes)) + 1
  const start = at + 1 + lengthBytes
  out.append(block, start, count)
  return start + count
}

function takeCopy(block: Buffer, at: number, tag: number, out: Unpacked): number {
  const kind = tag & 0x03
  if (kind === 1) {
    out.repeat(((tag >>> 5) << 8) | block.readUInt8(at + 1), ((tag >>> 2) & 0x07) + 4)
    return at + 2
  }
  const distanceBytes = kind === 2 ? 2 : 4
  out.repeat(block.readUIntLE(at + 1, distanceBytes), (tag >>> 2) + 1)
  return at + 1 + distanceBytes
}
