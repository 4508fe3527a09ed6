import type { ByteWriter } from './byte-writer.ts'

export interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

/** What a broker speaks, by api key, as it said when the connection was opened. */
export type ApiVersions = ReadonlyMap<number, VersionRange>

/** Which request it is, for its header and for sentences about it. */
export interface ApiName {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
}

/** What stands behind a request's header. A ByteWriter has left room for the header. */
export type RequestBody = ByteWriter | Buffer

/** One request and how its answer is read. */
export interface Call<Answer extends object> extends ApiName {
  encode(): RequestBody | Promise<RequestBody>
  /** @param raw the answer behind its correlation id */
  decode(raw: Buffer): Answer | Promise<Answer>
  /** Only for requests that the broker may hold on purpose, or that must be heard of sooner. */
  readonly requestTimeoutMs?: number
}

/** A request in the version that the broker speaks. */
export type CallFor<Answer extends object> = (versions: ApiVersions) => Call<Answer>

/** The same request with a deadline of its own. */
export const within =
  <Answer extends object>(call: CallFor<Answer>, requestTimeoutMs: number): CallFor<Answer> =>
  (versions) => ({ ...call(versions), requestTimeoutMs })

/** Whether the broker has said that it takes this version. */
export function speaks(
  versions: ApiVersions,
  { apiKey, apiVersion }: { readonly apiKey: number; readonly apiVersion: number },
): boolean {
  const range = versions.get(apiKey)
  return range !== undefined && range.minVersion <= apiVersion && apiVersion <= range.maxVersion
}
