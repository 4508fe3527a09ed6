import { ByteWriter, HEADROOM_BYTES } from './byte-writer.ts'
import type { Encoded, ProtocolRequest } from './kafkajs-types.ts'

/**
 * What kafkajs hands to the function that puts a request header in front of a body (its
 * `protocol/request`).
 */
interface Unframed {
  readonly correlationId: number
  readonly clientId: string
  readonly request: ProtocolRequest
}

export type Frame = (unframed: Unframed) => Promise<{ readonly buffer: Buffer }>

/**
 * kafkajs zero-fills and copies every request twice to put its header in front. Ours (ByteWriter)
 * leave room there, so the header is written in place; all others take kafkajs's way.
 */
export function framing(original: Frame): Frame {
  return async (unframed) => {
    const { request } = unframed
    const body = await request.encode()
    if (body instanceof ByteWriter) return { buffer: frameInPlace(body, unframed) }
    return original({ ...unframed, request: { ...request, encode: (): Encoded => body } })
  }
}

/**
 * Request header v1: length, api, version, correlation, client id (Kafka protocol guide, "Request
 * Header").
 */
function frameInPlace(body: ByteWriter, { correlationId, clientId, request }: Unframed): Buffer {
  const clientBytes = Buffer.byteLength(clientId)
  const start = HEADROOM_BYTES - (4 + 2 + 2 + 4 + 2 + clientBytes)
  if (start < 0) throw new RangeError(`the client id takes ${clientBytes} bytes`)
  const frame = body.buf.subarray(start, body.end)
  let at = frame.writeInt32BE(frame.length - 4, 0)
  at = frame.writeInt16BE(request.apiKey, at)
  at = frame.writeInt16BE(request.apiVersion, at)
  at = frame.writeInt32BE(correlationId, at)
  at = frame.writeInt16BE(clientBytes, at)
  frame.write(clientId, at, clientBytes, 'utf8')
  return frame
}
