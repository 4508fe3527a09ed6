import { describe, expect, it } from 'vitest'
import { partitionOf } from './partitioner.ts'

// Vectors of the Java client (clients/.../utils/UtilsTest.java): murmur2 of the key, then positive
// modulo.
const VECTORS: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

describe('partitionOf', () => {
  it.each(VECTORS)('places %s where the Java client places it', (key, hash) => {
    for (const partitions of [1, 3, 4, 12, 50]) {
      expect(partitionOf(key, partitions)).toBe((hash & 0x7fffffff) % partitions)
      expect(partitionOf(Buffer.from(key), partitions)).toBe((hash & 0x7fffffff) % partitions)
    }
  })
})
