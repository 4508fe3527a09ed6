import { HEADER_BYTES } from './pdu.ts'

/** Largest PDU that we take: message_payload alone may hold 65,535 octets [R1]. */
export const PDU_BYTES_MAX = 70_000

export interface Framed {
  readonly frames: readonly Buffer[]
  /**
   * A length below the header or above the limit: where the next PDU starts is unknown, only
   * closing helps.
   */
  readonly broken: boolean
}

export interface Framer {
  push(chunk: Buffer): Framed
}

const NOTHING = Buffer.alloc(0)

/**
 * Cuts a byte stream into PDUs by their command_length (SMPP 3.4 section 3.2), however the bytes
 * arrive.
 */
export function createFramer(): Framer {
  let rest: Buffer = NOTHING
  return {
    push: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      const { frames, end, broken } = cut(bytes)
      rest = end === bytes.length ? NOTHING : bytes.subarray(end)
      return { frames, broken }
    },
  }
}

function cut(bytes: Buffer): Framed & { readonly end: number } {
  const frames: Buffer[] = []
  let at = 0
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt32BE(at)
    if (length < HEADER_BYTES || length > PDU_BYTES_MAX) return { frames, end: at, broken: true }
    if (at + length > bytes.length) break
    frames.push(bytes.subarray(at, at + length))
    at += length
  }
  return { frames, end: at, broken: false }
}
