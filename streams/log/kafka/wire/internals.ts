import { createRequire } from 'node:module'
import { framing } from './framing.ts'
import type { Frame } from './framing.ts'
import { armCheck } from './idle-timer.ts'
import type { ThrottledQueue } from './idle-timer.ts'
import { connectOnce } from './single-connect.ts'
import type { Connecting } from './single-connect.ts'
import type { KafkaBroker, KafkaLogger } from './kafkajs-types.ts'

type Class<Instance> = new (options: object) => Instance

/**
 * The one door to the inside of kafkajs 2.2.4, which is pinned. Its connections, TLS, SASL, version
 * negotiation and codecs are used. Its producer, consumer and cluster are not (see kafka.ts). What
 * comes through the door is looked at once, on first use, so that another version of kafkajs fails
 * with a sentence and not somewhere in the middle.
 */
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

// Untyped JavaScript ends below: its shape is what the interfaces above say of exactly this
// version, and the members that are used must at least be there.

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
