import { LogError } from '../../port.ts'
import { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { ApiName, CallFor } from './call.ts'
import { speaks } from './call.ts'

/**
 * A request whose codec is ours: because kafkajs's is slow, or stops at a version before the one
 * that is needed.
 */
export interface OwnRequest<Answer extends object> extends ApiName {
  encode(): ByteWriter | Promise<ByteWriter>
  decode(reader: ByteReader): Answer
  /** Only for requests that the broker may hold on purpose, or that must be heard of sooner. */
  readonly requestTimeoutMs?: number
}

/** Throws `fatal` when the broker does not speak the version. */
export function ownCall<Answer extends object>(request: OwnRequest<Answer>): CallFor<Answer> {
  return (versions) => {
    const { apiKey, apiVersion, apiName, requestTimeoutMs } = request
    if (!speaks(versions, request))
      throw new LogError('fatal', `the broker does not speak ${apiName} v${apiVersion}`)
    return {
      apiKey,
      apiVersion,
      apiName,
      encode: () => request.encode(),
      decode: (raw) => request.decode(new ByteReader(raw)),
      ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
    }
  }
}
