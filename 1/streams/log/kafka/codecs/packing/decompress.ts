import { gunzipSync } from 'node:zlib'
import { Decompress } from 'fzstd'
import { unlz4ed } from './lz4.ts'
import { unsnappied } from './snappy.ts'
import { UNPACKED_BYTES_MAX, tooLarge } from './unpacked.ts'

/** By number, as a batch's attributes have them. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** The bytes of a batch as they were before they were packed. Throws RangeError when that fails. */
export function decompressed(body: Buffer, codec: number): Buffer {
  const name = CODECS[codec]
  if (name === undefined) throw new RangeError(`it is packed with codec ${codec}, which is not known here`)
  if (name === 'none') return body
  try {
    return UNPACK[name](body)
  } catch (error) {
    if (error instanceof Error) throw new RangeError(`it does not unpack with ${name}: ${error.message}`)
    throw error
  }
}

const UNPACK: Readonly<Record<Exclude<(typeof CODECS)[number], 'none'>, (body: Buffer) => Buffer>> = {
  gzip: (body) => gunzipSync(body, { maxOutputLength: UNPACKED_BYTES_MAX }),
  snappy: unsnappied,
  lz4: unlz4ed,
  zstd: unzstded,
}

/**
 * In pieces, so that what is too large is noticed before it is there. Node 20 has no zstd of its
 * own.
 */
function unzstded(body: Buffer): Buffer {
  if (windowBytes(body) > UNPACKED_BYTES_MAX) throw tooLarge()
  const parts: Uint8Array[] = []
  let bytes = 0
  let isWhole = false
  const unpack = new Decompress((part, isFinal) => {
    bytes += part.length
    if (bytes > UNPACKED_BYTES_MAX) throw tooLarge()
    parts.push(part)
    isWhole = isFinal === true
  })
  unpack.push(body, true)
  if (!isWhole) throw new RangeError('it is cut off')
  return Buffer.concat(parts)
}

const SINGLE_SEGMENT = 0x20

/** How much a frame makes its reader keep (RFC 8878, section 3.1.1.1), which it does at once. */
function windowBytes(frame: Buffer): number {
  const descriptor = frame.readUInt8(4)
  if ((descriptor & SINGLE_SEGMENT) === 0) {
    const window = frame.readUInt8(5)
    const base = 2 ** (10 + (window >>> 3))
    return base + (base / 8) * (window & 0x07)
  }
  const contentBytes = [1, 2, 4, 8][descriptor >>> 6] ?? 1
  const at = 5 + ([0, 1, 2, 4][descriptor & 0x03] ?? 0)
  if (contentBytes === 8) return Number(frame.readBigUInt64LE(at))
  return frame.readUIntLE(at, contentBytes) + (contentBytes === 2 ? 256 : 0)
}
