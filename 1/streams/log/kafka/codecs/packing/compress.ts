import { compressFrameSync } from 'lz4-napi'

/** How batches are packed when they are written. */
export type Compression = 'none' | 'lz4'

/** As a batch's attributes have it. */
export const CODEC_NUMBER: Readonly<Record<Compression, number>> = { none: 0, lz4: 3 }

/** Below this there is nothing to gain, and a call costs more than the bytes. */
const PACKED_BYTES_MIN = 512

/**
 * The same bytes packed, or undefined when they are better left as they are. An LZ4 frame with
 * independent blocks, the only kind that Kafka's own clients read.
 */
export function compressed(bytes: Buffer, compression: Compression): Buffer | undefined {
  if (compression === 'none' || bytes.length < PACKED_BYTES_MIN) return undefined
  const packed = compressFrameSync(bytes)
  return packed.length < bytes.length ? packed : undefined
}
