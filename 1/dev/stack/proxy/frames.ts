/**
 * Kafka's framing, as far as a network must know it: four bytes of length, then a request header or
 * a correlation id (Kafka protocol guide, "Protocol Primitive Types", "Request Header"). Client ids
 * stand at the same place in all versions of the header.
 */
const LENGTH_BYTES = 4
const API_KEY_AT = 4
const API_VERSION_AT = 6
const REQUEST_CORRELATION_AT = 8
const CLIENT_AT = 12
const ANSWER_CORRELATION_AT = 4
const HEADER_BYTES_MIN = 14

/** More than brokers take (`socket.request.max.bytes`): beyond it this is not Kafka. */
const FRAME_BYTES_MAX = 128 * 1024 * 1024

/** The api keys that tests name. */
export const API = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  apiVersions: 18,
  createTopics: 19,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
} as const

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(API).map(([name, key]) => [key, name]))

export const apiName = (apiKey: number): string => NAMES.get(apiKey) ?? `api ${apiKey}`

/** Gathers bytes into whole frames, length prefix included. Throws what is not Kafka's framing. */
export class Frames {
  #chunks: Buffer[] = []
  #bytes = 0

  take(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const frames: Buffer[] = []
    for (let end = this.#end(); this.#bytes >= end; end = this.#end()) {
      const all = this.#joined()
      frames.push(all.subarray(0, end))
      this.#chunks = [all.subarray(end)]
      this.#bytes -= end
    }
    return frames
  }

  /** Where the first frame ends; joined only once it is there, since frames may be long. */
  #end(): number {
    if (this.#bytes < LENGTH_BYTES) return Number.POSITIVE_INFINITY
    const [first = Buffer.alloc(0)] = this.#chunks
    const length = (first.length < LENGTH_BYTES ? this.#joined() : first).readInt32BE(0)
    if (length < 0 || length > FRAME_BYTES_MAX) throw new RangeError('this is not a frame of Kafka')
    return LENGTH_BYTES + length
  }

  #joined(): Buffer {
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string
}

export function requestHeader(frame: Buffer): RequestHeader {
  if (frame.length < HEADER_BYTES_MIN) throw new RangeError('this is not a request of Kafka')
  const clientBytes = Math.max(frame.readInt16BE(CLIENT_AT), 0)
  return {
    apiKey: frame.readInt16BE(API_KEY_AT),
    apiVersion: frame.readInt16BE(API_VERSION_AT),
    correlationId: frame.readInt32BE(REQUEST_CORRELATION_AT),
    clientId: frame.toString('utf8', CLIENT_AT + 2, CLIENT_AT + 2 + clientBytes),
  }
}

export const answerCorrelation = (frame: Buffer): number => frame.readInt32BE(ANSWER_CORRELATION_AT)
