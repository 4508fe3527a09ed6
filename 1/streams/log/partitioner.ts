/**
 * The partition of a key: murmur2 as in the Java client's default partitioner, so that a record
 * written by any standard client with the same key lands in the same partition [EV30].
 */
export function partitionOf(key: string | Buffer, partitions: number): number {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'utf8') : key
  return (murmur2(bytes) & 0x7fffffff) % partitions
}

const SEED = 0x9747b28c
const M = 0x5bd1e995

function murmur2(bytes: Buffer): number {
  const whole = bytes.length & ~3
  let h = SEED ^ bytes.length
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(bytes.readInt32LE(i), M)
    k = Math.imul(k ^ (k >>> 24), M)
    h = Math.imul(h, M) ^ k
  }
  return finish(mixTail(h, bytes, whole))
}

function mixTail(hash: number, bytes: Buffer, from: number): number {
  let h = hash
  const rest = bytes.length - from
  if (rest === 0) return h
  for (let i = rest - 1; i >= 0; i -= 1) h ^= (bytes[from + i] ?? 0) << (8 * i)
  return Math.imul(h, M)
}

function finish(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 13), M)
  return h ^ (h >>> 15)
}
