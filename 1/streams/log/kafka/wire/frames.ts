import { HEADROOM_BYTES } from './byte-writer.ts'
import type { ApiName, RequestBody } from './call.ts'

/**
 * The largest answer that is read. A fetch asks for 4 MiB, and gets more only when a single batch
 * is larger. What claims to be larger still is no answer but another protocol, or a stream out of
 * step.
 */
export const FRAME_BYTES_MAX = 128 * 1024 * 1024

const LENGTH_BYTES = 4
/** A frame holds at least its correlation id. */
const FRAME_BYTES_MIN = 4

/**
 * Cuts a stream into frames: a length of 32 bits, then that many bytes. Keeps what has come of a
 * frame and no more, so a length alone costs no memory. Throws RangeError at an impossible length;
 * then nothing after it means anything.
 */
export class FrameReader {
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #lengthBytes = 0
  #missing = 0
  #parts: Buffer[] = []

  push(chunk: Buffer): readonly Buffer[] {
    const frames: Buffer[] = []
    for (let rest = chunk; rest.length > 0; )
      rest = this.#missing === 0 ? this.#takeLength(rest) : this.#takeBody(rest, frames)
    return frames
  }

  #takeLength(bytes: Buffer): Buffer {
    const taken = bytes.copy(this.#length, this.#lengthBytes)
    this.#lengthBytes += taken
    if (this.#lengthBytes === LENGTH_BYTES) {
      const length = this.#length.readInt32BE()
      if (length < FRAME_BYTES_MIN || length > FRAME_BYTES_MAX)
        throw new RangeError(`an answer of ${length} bytes is none`)
      this.#lengthBytes = 0
      this.#missing = length
    }
    return bytes.subarray(taken)
  }

  #takeBody(bytes: Buffer, frames: Buffer[]): Buffer {
    const part = bytes.subarray(0, this.#missing)
    this.#missing -= part.length
    this.#parts.push(part)
    if (this.#missing === 0) {
      // Most answers come whole and are not copied.
      frames.push(this.#parts.length === 1 ? part : Buffer.concat(this.#parts))
      this.#parts = []
    }
    return bytes.subarray(part.length)
  }
}

/** Length, api, version, correlation id, and the length of the client id. */
const HEADER_BYTES = LENGTH_BYTES + 2 + 2 + 4 + 2

export const CLIENT_ID_BYTES_MAX = HEADROOM_BYTES - HEADER_BYTES

/**
 * A request behind its header v1 (Kafka protocol guide, "Request Header"). Our own bodies have left
 * room for it, so that nothing is copied; the others are.
 */
export function framed(api: ApiName, body: RequestBody, correlationId: number, clientId: Buffer): Buffer {
  const bytes = HEADER_BYTES + clientId.length
  if (clientId.length > CLIENT_ID_BYTES_MAX)
    throw new RangeError(`a client id of ${clientId.length} bytes is too long`)
  const frame = Buffer.isBuffer(body)
    ? Buffer.concat([Buffer.allocUnsafe(bytes), body])
    : body.buf.subarray(HEADROOM_BYTES - bytes, body.end)
  let at = frame.writeInt32BE(frame.length - LENGTH_BYTES, 0)
  at = frame.writeInt16BE(api.apiKey, at)
  at = frame.writeInt16BE(api.apiVersion, at)
  at = frame.writeInt32BE(correlationId, at)
  at = frame.writeInt16BE(clientId.length, at)
  clientId.copy(frame, at)
  return frame
}
