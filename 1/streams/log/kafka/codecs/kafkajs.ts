import { createRequire } from 'node:module'
import { LogError } from '../../port.ts'
import type { ApiVersions, Call } from '../wire/call.ts'

/**
 * The one door to the inside of kafkajs 2.2.4, which is pinned: its request codecs, which are pure
 * functions. Nothing of it is changed, and nothing else of it is loaded. Another version fails with
 * a sentence on first use.
 */
interface Definition {
  readonly versions: readonly string[]
  protocol(of: { readonly version: number }): (payload: object) => Encoded
}

interface Encoded {
  readonly request: {
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<{ readonly buffer: Buffer }>
  }
  readonly response: { decode(raw: Buffer): Promise<object> }
  readonly requestTimeout?: number
}

const load = createRequire(import.meta.url)

const VERSION = '2.2.4'

/**
 * The newest version of a request that both sides have. `expected` are the members that its answer
 * must have: what this code relies on of untyped JavaScript.
 */
export function kafkajsCall<Answer extends object>(
  name: string,
  payload: object,
  versions: ApiVersions,
  expected: readonly (keyof Answer)[],
): Call<Answer> {
  const { apiKey, definition } = definitionOf(name)
  const apiVersion = newest(name, definition, versions.get(apiKey))
  const { request, response, requestTimeout } = definition.protocol({ version: apiVersion })(payload)
  const decode = async (raw: Buffer): Promise<Answer> => {
    const answer = await response.decode(raw).catch(refusedBy(name))
    if (!hasMembers<Answer>(answer, expected)) throw wrong(`the answer to ${name}`)
    return answer
  }
  return {
    apiKey,
    apiVersion,
    apiName: name,
    encode: async () => (await request.encode()).buffer,
    decode,
    ...(requestTimeout !== undefined && { requestTimeoutMs: requestTimeout }),
  }
}

/** Some of its decoders throw when the broker refuses the version. */
const refusedBy = (name: string) => (error: unknown) => {
  const isKafkajs = error instanceof Error && error.name.startsWith('KafkaJS')
  throw isKafkajs ? new LogError('fatal', `${name}: ${error.message}`, error) : error
}

function newest(
  name: string,
  { versions }: Definition,
  range: { minVersion: number; maxVersion: number } | undefined,
): number {
  const both = versions
    .map(Number)
    .filter((version) => range !== undefined && version >= range.minVersion && version <= range.maxVersion)
  if (both.length === 0)
    throw new LogError('fatal', `the broker speaks no version of ${name} that is known here`)
  return Math.max(...both)
}

interface Loaded {
  readonly requests: Readonly<Record<string, unknown>>
  readonly apiKeys: Readonly<Record<string, unknown>>
}

let loaded: Loaded | undefined

function definitionOf(name: string): { readonly apiKey: number; readonly definition: Definition } {
  loaded ??= read()
  const [definition, apiKey] = [loaded.requests[name], loaded.apiKeys[name]]
  if (!hasMembers<Definition>(definition, ['versions', 'protocol']) || typeof apiKey !== 'number')
    throw wrong(name)
  return { apiKey, definition }
}

function read(): Loaded {
  const found: unknown = load('kafkajs/package.json')
  if (!hasMembers<{ version: unknown }>(found, ['version']) || found.version !== VERSION)
    throw new TypeError(`kafkajs ${VERSION} is expected`)
  const requests: unknown = load('kafkajs/src/protocol/requests')
  const apiKeys: unknown = load('kafkajs/src/protocol/requests/apiKeys')
  if (!hasMembers<Pick<Loaded, 'requests'>>(requests, ['requests'])) throw wrong('protocol/requests')
  if (!hasMembers<Loaded['apiKeys']>(apiKeys, ['Heartbeat'])) throw wrong('apiKeys')
  return { requests: requests.requests, apiKeys }
}

// Untyped JavaScript ends here: its shape is what the interfaces above say of exactly this version,
// and the members that are used must at least be there.
function hasMembers<T extends object>(value: unknown, members: readonly (keyof T)[]): value is T {
  return typeof value === 'object' && value !== null && members.every((name) => name in value)
}

const wrong = (what: string): TypeError => new TypeError(`kafkajs ${VERSION} is expected, ${what} is another`)
