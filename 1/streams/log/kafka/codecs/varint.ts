/**
 * Zigzag base-128 numbers as records use them (Kafka message format v2, "Varints"). Signed 32 bits,
 * or timestamps deltas.
 */

/** Bytes that a signed 32-bit number takes. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x200000) return 3
  return zigzag < 0x10000000 ? 4 : 5
}

/** Writes a signed 32-bit number and returns where it ends. */
export function putVarint(out: Uint8Array, at: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  let end = at
  while (rest >= 0x80) {
    out[end++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[end++] = rest
  return end
}

const SMALL = 0x3fffffff

/**
 * Bytes of a number from 0 to 2^52: a distance between timestamps, which 32 bits do not always
 * hold.
 */
export function varlongBytes(value: number): number {
  if (value <= SMALL) return varintBytes(value)
  let bytes = 1
  for (let rest = value * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1
  return bytes
}

/** Writes a number from 0 to 2^52 and returns where it ends. */
export function putVarlong(out: Uint8Array, at: number, value: number): number {
  if (value <= SMALL) return putVarint(out, at, value)
  let rest = value * 2
  let end = at
  while (rest >= 0x80) {
    out[end++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  out[end++] = rest
  return end
}
