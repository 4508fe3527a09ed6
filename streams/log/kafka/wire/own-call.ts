import { LogError } from '../../port.ts'
import { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { Call, KafkaBroker } from './kafkajs-types.ts'

/**
 * A request whose codec is ours: because kafkajs's is slow, or stops at a version before the one
 * that is needed.
 */
export interface OwnRequest<Answer extends object> {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  encode(): ByteWriter
  decode(reader: ByteReader): Answer
  /** Only for requests that the broker may hold on purpose. */
  readonly requestTimeoutMs?: number
}

/** Throws `fatal` when the broker does not speak the version. */
export function ownCall<Answer extends object>(
  request: OwnRequest<Answer>,
): (broker: KafkaBroker) => Call<Answer> {
  return (broker) => {
    const { apiKey, apiVersion, apiName, requestTimeoutMs } = request
    if (!speaks(broker, request))
      throw new LogError('fatal', `the broker does not speak ${apiName} v${apiVersion}`)
    return {
      request: { apiKey, apiVersion, apiName, encode: () => request.encode() },
      response: { decode: (raw) => request.decode(new ByteReader(raw)), parse: (answer) => answer },
      logResponseError: false,
      ...(requestTimeoutMs !== undefined && { requestTimeout: requestTimeoutMs }),
    }
  }
}

/** Whether the broker has said that it takes this version. */
export function speaks(
  { versions }: KafkaBroker,
  { apiKey, apiVersion }: { readonly apiKey: number; readonly apiVersion: number },
): boolean {
  const range = versions?.[apiKey]
  return range !== undefined && range.minVersion <= apiVersion && apiVersion <= range.maxVersion
}
