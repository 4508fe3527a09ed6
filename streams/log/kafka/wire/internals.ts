import { createRequire } from 'node:module'
import { framing } from './framing.ts'
import type { Frame } from './framing.ts'
import { armCheck } from './idle-timer.ts'
import type { ThrottledQueue } from './idle-timer.ts'
import { connectOnce } from './single-connect.ts'
import type { Connecting } from './single-connect.ts'

/**
 * The one door to the inside of kafkajs 2.2.4, which is pinned: its connections, TLS, SASL, version negotiation and codecs are
 * used; its producer, consumer and cluster are not (see kafka.ts). What comes through the door is looked at once, at start-up,
 * so that another version of kafkajs fails with a sentence and not somewhere in the middle.
 */
export interface ProtocolRequest {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  encode(): Encoded | Promise<Encoded>
}

/** What kafkajs's Encoder looks like to the one that frames it. */
export interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
}

/** Answers are objects, because kafkajs looks for a throttle time in them. */
export interface ProtocolResponse<Answer extends object> {
  decode(raw: Buffer): Answer | Promise<Answer>
  parse(decoded: Answer): Answer | Promise<Answer>
}

export interface Call<Answer extends object> {
  readonly request: ProtocolRequest
  readonly response: ProtocolResponse<Answer>
  /** Only for requests that the broker may hold on purpose. */
  readonly requestTimeout?: number
  readonly logResponseError?: boolean
}

export interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

export interface KafkaBroker {
  readonly connectionPool: { send<Answer extends object>(call: Call<Answer>): Promise<Answer> }
  readonly versions: Readonly<Record<number, VersionRange | undefined>> | null
  readonly lookupRequest: (apiKey: number, definition: object) => (payload: object) => Call<object>
  isConnected(): boolean
  connect(): Promise<void>
  disconnect(): Promise<void>
}

/** kafkajs's logger; `log` carries more than may be logged. */
export interface KafkaLogger {
  namespace(name: string): KafkaLogger
  info(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

export interface KafkaLogEntry {
  readonly namespace: string
  readonly log: { readonly message: string }
}

type Class<Instance> = new (options: object) => Instance

export interface Internals {
  readonly Broker: Class<KafkaBroker>
  readonly ConnectionPool: Class<KafkaBroker['connectionPool']>
  readonly requests: Readonly<Record<string, object>>
  readonly apiKeys: Readonly<Record<string, number>>
  readonly createLogger: (options: object) => KafkaLogger
}

const load = createRequire(import.meta.url)

const VERSION = '2.2.4'

let loaded: Internals | undefined

/** Loads kafkajs on first use and corrects it before any connection exists. */
export function internals(): Internals {
  loaded ??= read()
  return loaded
}

function read(): Internals {
  const { version } = moduleAt<{ version: string }>('package.json', ['version'])
  if (version !== VERSION) throw new TypeError(`kafkajs ${VERSION} is expected, not ${version}`)
  correct()
  const { requests } = moduleAt<Pick<Internals, 'requests'>>('src/protocol/requests', ['requests'])
  const { createLogger } = moduleAt<Pick<Internals, 'createLogger'>>('src/loggers', ['createLogger'])
  return {
    Broker: classAt<KafkaBroker>('src/broker', ['isConnected', 'connect', 'disconnect']),
    ConnectionPool: classAt<KafkaBroker['connectionPool']>('src/network/connectionPool', ['send']),
    requests,
    apiKeys: moduleAt<Internals['apiKeys']>('src/protocol/requests/apiKeys', ['Fetch', 'Produce']),
    createLogger,
  }
}

function scheduleCheckPendingRequests(this: ThrottledQueue): void {
  armCheck(this)
}

function correct(): void {
  const id = load.resolve('kafkajs/src/protocol/request')
  const original: unknown = load(id)
  const module = load.cache[id]
  if (!isFrame(original) || module === undefined) throw wrong('src/protocol/request')
  // Before the connection is loaded, because that holds on to what it finds here.
  module.exports = framing(original)
  const queue = classAt<ThrottledQueue>('src/network/requestQueue', ['checkPendingRequests'])
  Object.assign(queue.prototype, { scheduleCheckPendingRequests })
  const { prototype } = classAt<Connecting>('src/network/connection', ['connect'])
  Object.assign(prototype, { connect: connectOnce(prototype) })
}

// Untyped JavaScript ends below: its shape is what the interfaces above say of exactly this version, and the members that
// are used must at least be there.

function moduleAt<T extends object>(path: string, members: readonly (keyof T)[]): T {
  const found: unknown = load(`kafkajs/${path}`)
  if (!hasMembers<T>(found, members)) throw wrong(path)
  return found
}

function classAt<T extends object>(path: string, methods: readonly (keyof T)[]): Class<T> & { prototype: T } {
  const found: unknown = load(`kafkajs/${path}`)
  if (!isClass<T>(found, methods)) throw wrong(path)
  return found
}

function hasMembers<T extends object>(value: unknown, members: readonly (keyof T)[]): value is T {
  return typeof value === 'object' && value !== null && members.every((name) => name in value)
}

function isClass<T extends object>(
  value: unknown,
  methods: readonly (keyof T)[],
): value is Class<T> & { prototype: T } {
  return typeof value === 'function' && hasMembers<T>(value.prototype, methods)
}

function isFrame(value: unknown): value is Frame {
  return typeof value === 'function'
}

const wrong = (path: string): TypeError => new TypeError(`kafkajs ${VERSION} is expected, ${path} is another`)
