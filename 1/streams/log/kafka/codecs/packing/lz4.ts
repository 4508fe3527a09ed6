import { Unpacked } from './unpacked.ts'

const MAGIC = 0x184d2204
const VERSION = 0x40
const VERSION_MASK = 0xc0
const BLOCK_CHECKSUM = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECKSUM = 0x04
const DICTIONARY = 0x01
/** Of a block's length: the block is as it was. */
const STORED = 0x8000_0000

/**
 * Unpacks LZ4 frames (lz4/lz4, lz4_Frame_format.md and lz4_Block_format.md). Its checksums are not
 * looked at: the batch has one of its own. Throws RangeError for what is damaged or too large.
 */
export function unlz4ed(packed: Buffer): Buffer {
  const out = new Unpacked(4 * packed.length)
  for (let at = 0; at < packed.length; ) at = unpackFrame(packed, at, out)
  return out.bytes
}

function unpackFrame(packed: Buffer, start: number, out: Unpacked): number {
  const flags = packed.readUInt8(start + 4)
  const isKnown = packed.readUInt32LE(start) === MAGIC && (flags & VERSION_MASK) === VERSION
  if (!isKnown || (flags & DICTIONARY) !== 0) throw new RangeError('it is no LZ4 frame that is known here')
  // Magic, flags, block size and the header's checksum.
  let at = start + 7 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8)
  for (;;) {
    const length = packed.readUInt32LE(at)
    at += 4
    if (length === 0) return at + ((flags & CONTENT_CHECKSUM) === 0 ? 0 : 4)
    const end = at + (length & ~STORED)
    if (end > packed.length) throw new RangeError('a block is cut off')
    // Blocks may refer back to those before them, so all share one output.
    if (length >= STORED) out.append(packed, at, end - at)
    else unpackBlock(packed.subarray(at, end), out)
    at = end + ((flags & BLOCK_CHECKSUM) === 0 ? 0 : 4)
  }
}

/** A match is at least this long, so that its length says how much longer it is. */
const MATCH_BYTES_MIN = 4

function unpackBlock(block: Buffer, out: Unpacked): void {
  for (let at = 0; at < block.length; ) {
    const token = block.readUInt8(at)
    const literals = lengthAt(block, at + 1, token >>> 4)
    out.append(block, literals.at, literals.length)
    at = literals.at + literals.length
    // The last sequence has no match.
    if (at >= block.length) return
    const match = lengthAt(block, at + 2, token & 0x0f)
    out.repeat(block.readUInt16LE(at), match.length + MATCH_BYTES_MIN)
    at = match.at
  }
}

/** Fifteen in the token goes on in bytes, and 255 in a byte in the next one. */
function lengthAt(block: Buffer, start: number, nibble: number): { length: number; at: number } {
  if (nibble < 15) return { length: nibble, at: start }
  let length = nibble
  for (let at = start; ; at += 1) {
    const byte = block.readUInt8(at)
    length += byte
    if (byte < 255) return { length, at: at + 1 }
  }
}
