import { crc32 } from 'node:zlib'
import { StoreCorruptError } from './store.ts'

const SEAL_DIGITS = 8

/**
 * LevelDB checks its block checksums only on request, and this binding cannot ask: without a
 * checksum of our own a flipped bit in a row would be read as state. It covers the key as well, so
 * a value cannot pass under another key.
 */
const sealOf = (key: string, encoded: string): string =>
  crc32(key + encoded)
    .toString(16)
    .padStart(SEAL_DIGITS, '0')

export const seal = (key: string, encoded: string): string => sealOf(key, encoded) + encoded

/** Throws for a row that is not what was written. */
export function unsealed(key: string, sealed: string | undefined): string | undefined {
  if (sealed === undefined) return undefined
  const encoded = sealed.slice(SEAL_DIGITS)
  if (sealOf(key, encoded) === sealed.slice(0, SEAL_DIGITS)) return encoded
  throw new StoreCorruptError('a row of the local store does not fit its checksum')
}
