import { crc32c as ofWhole } from '@node-rs/crc32'

/**
 * CRC-32C (Castagnoli, RFC 3720 §12.1), the checksum of a record batch, over `bytes[from, to)` as
 * an unsigned number. Every byte that is read or written goes through it: with tables in JavaScript
 * at 0.7 GB/s, with the processor's own instruction at 5 GB/s.
 */
export const crc32c = (bytes: Uint8Array, from: number, to: number): number =>
  ofWhole(bytes.subarray(from, to))
