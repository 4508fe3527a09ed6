import { readFileSync } from 'node:fs'
import { jetstream, type JetStreamClient } from '@nats-io/jetstream'
import {
  connect,
  createInbox,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node'
import { sleep } from '../platform/backoff.ts'
import { natsServersIn } from '../platform/config.ts'
import type { Logger } from '../platform/logger.ts'

export interface NatsOptions {
  /**
   * One server or several, separated by commas; with one `tls://` among them all must speak TLS. A
   * user and password in the first count for all.
   */
  readonly url: string
  /**
   * NATS user, and the prefix of its inboxes: replies to one user must not be readable by another
   * [NU2].
   */
  readonly user: string
  /**
   * The user's credentials; read again at every connect, so that they may be exchanged while we
   * run.
   */
  readonly credsFile?: string | undefined
  /** Certificates to trust beside those of the system, PEM. */
  readonly caFile?: string | undefined
  readonly logger: Logger
}

/** A connection that outlives its servers. */
export interface NatsLink {
  /** Undefined from the moment that a loss is noticed until the next server has answered. */
  readonly connection: NatsConnection | undefined
  /** Resolves when a server answers, or when `signal` aborts. */
  whenConnected(signal: AbortSignal): Promise<void>
  /** Sends what is buffered, if a server is there, and closes. */
  close(): Promise<void>
}

export class NotConnected extends Error {
  override readonly name = 'NotConnected'
}

/** The connection of this moment; a NotConnected when there is none. */
export function connectionOf(link: NatsLink): NatsConnection {
  if (link.connection === undefined) throw new NotConnected('no connection to NATS')
  return link.connection
}

const clients = new WeakMap<NatsConnection, JetStreamClient>()

/** JetStream over the connection of this moment; a NotConnected when there is none. */
export function jetstreamOf(link: NatsLink): JetStreamClient {
  const connection = connectionOf(link)
  const made = clients.get(connection) ?? jetstream(connection)
  clients.set(connection, made)
  return made
}

const inboxPrefixes = new WeakMap<NatsConnection, string>()

/** A subject for answers on this connection, where its user may listen [NU2]. */
export const newInbox = (connection: NatsConnection): string => createInbox(inboxPrefixes.get(connection))

/** [NU2] */
const inboxPrefixOf = (user: string): string => `_INBOX_${user}`

/**
 * Returns at once and connects in the background, for ever, so that a process may start while NATS
 * is away [F4].
 *
 * @throws ConfigError for an address that is none.
 */
export function connectNats(options: NatsOptions): NatsLink {
  return new ReconnectingLink(options)
}

interface Waiting {
  readonly promise: Promise<void>
  readonly end: () => void
}

/**
 * The library reconnects by itself; should it ever give a connection up, the next one is opened
 * here.
 */
class ReconnectingLink implements NatsLink {
  connection: NatsConnection | undefined
  readonly #options: NatsOptions
  readonly #settings: NodeConnectionOptions
  readonly #stop = new AbortController()
  readonly #waiting = new Map<AbortSignal, Waiting>()
  #opened: NatsConnection | undefined

  constructor(options: NatsOptions) {
    this.#options = options
    this.#settings = connectionOptions(options)
    void this.#run()
  }

  whenConnected(signal: AbortSignal): Promise<void> {
    if (this.connection !== undefined || signal.aborted) return Promise.resolve()
    // Hundreds of publishes may wait under one signal: they share one promise and one listener.
    const waiting = this.#waiting.get(signal) ?? this.#wait(signal)
    this.#waiting.set(signal, waiting)
    return waiting.promise
  }

  #wait(signal: AbortSignal): Waiting {
    const over = new AbortController()
    const promise = new Promise<void>((resolve) => {
      over.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const end = () => {
      this.#waiting.delete(signal)
      over.abort()
    }
    signal.addEventListener('abort', end, { once: true, signal: over.signal })
    return { promise, end }
  }

  /**
   * Before the first server answers there is nothing to close: the wait for it ends with the
   * process.
   */
  async close(): Promise<void> {
    this.#stop.abort()
    const { connection } = this
    this.connection = undefined
    // A server that hangs must not hold up the end of the process.
    if (connection !== undefined) await Promise.race([connection.flush(), sleep(FLUSH_MS_MAX)])
    await this.#opened?.close()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#session()
      } catch (error) {
        this.#options.logger.warn('nats.connect_failed', { operation: this.#options.user, error })
      }
      this.connection = undefined
      await sleep(RECONNECT_MS, this.#stop.signal)
    }
  }

  /** From one connect to the end of that connection. */
  async #session(): Promise<void> {
    const connection = await connect(this.#settings)
    if (this.#stop.signal.aborted) return connection.close()
    this.#opened = connection
    inboxPrefixes.set(connection, inboxPrefixOf(this.#options.user))
    this.#use(connection)
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#use(undefined)
      if (status.type === 'reconnect') this.#use(connection)
    }
    if (!this.#stop.signal.aborted) this.#use(undefined)
  }

  #use(connection: NatsConnection | undefined): void {
    this.connection = connection
    const fields = { operation: this.#options.user }
    if (connection === undefined) {
      this.#options.logger.warn('nats.disconnected', fields)
      return
    }
    this.#options.logger.info('nats.connected', fields)
    for (const waiting of this.#waiting.values()) waiting.end()
  }
}

// Constant, far below the 30 s that [F4] allows: the library asks for it several times per attempt,
// so a growing wait would never elapse.
const RECONNECT_MS = 1_000
const FLUSH_MS_MAX = 2_000

function connectionOptions({ url, user, credsFile, caFile }: NatsOptions): NodeConnectionOptions {
  const servers = natsServersIn(url)
  const { username = '', password = '' } = servers[0] ?? {}
  const isEncrypted = servers.some((server) => server.protocol === 'tls:')
  return {
    servers: servers.map((server) => server.host),
    name: user,
    inboxPrefix: inboxPrefixOf(user),
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_MS,
    // A server that is gone without a word is noticed after 20 s at the latest.
    pingInterval: 10_000,
    maxPingOut: 1,
    // A stack for every request costs a sixth of the whole throughput, and ours are known by their
    // subjects.
    noAsyncTraces: true,
    // Given, the library refuses a server without TLS instead of sending it a password in the
    // clear.
    ...(isEncrypted && { tls: caFile === undefined ? {} : { caFile } }),
    ...(username !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(credsFile !== undefined && { authenticator: credsAuthenticator(() => readFileSync(credsFile)) }),
  }
}
