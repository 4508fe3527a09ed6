/**
 * CRC-32C (Castagnoli, RFC 3720 §12.1), the checksum of a record batch. Eight bytes a step over
 * eight tables: a byte at a time costs more than encoding the record does (measured: 0.5 against
 * 1.9 GB/s).
 */
const POLYNOMIAL = 0x82f63b78

const [T0, T1, T2, T3, T4, T5, T6, T7] = [
  table(0),
  table(1),
  table(2),
  table(3),
  table(4),
  table(5),
  table(6),
  table(7),
]

/** Over `bytes[from, to)`, as an unsigned number. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1
  let at = from
  for (; at + 8 <= to; at += 8) {
    crc ^=
      at8(bytes, at) | (at8(bytes, at + 1) << 8) | (at8(bytes, at + 2) << 16) | (at8(bytes, at + 3) << 24)
    crc =
      at32(T7, crc & 0xff) ^
      at32(T6, (crc >>> 8) & 0xff) ^
      at32(T5, (crc >>> 16) & 0xff) ^
      at32(T4, crc >>> 24) ^
      at32(T3, at8(bytes, at + 4)) ^
      at32(T2, at8(bytes, at + 5)) ^
      at32(T1, at8(bytes, at + 6)) ^
      at32(T0, at8(bytes, at + 7))
  }
  for (; at < to; at += 1) crc = at32(T0, (crc ^ at8(bytes, at)) & 0xff) ^ (crc >>> 8)
  return (crc ^ -1) >>> 0
}

// Inlined by the compiler; the default is never taken.
const at8 = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0
const at32 = (words: Int32Array, index: number): number => words[index] ?? 0

/** What a byte contributes when `ahead` more zero bytes follow it. */
function table(ahead: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8 * (ahead + 1); bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    return crc
  })
}
