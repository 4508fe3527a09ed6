import { readFileSync } from 'node:fs'
import { jetstream, type JetStreamClient } from '@nats-io/jetstream'
import {
  connect,
  credsAuthenticator,
  headers as natsHeaders,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node'
import { INBOUND_MIRRORS } from '../../streams/contracts/subjects.ts'
import { sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { Instruments } from '../instruments.ts'

/** One event on its way to NATS: what an outbox row holds. */
export interface Publication {
  readonly subject: string
  /** Nats-Msg-Id: a second publish of the same one is not stored again. */
  readonly msgId: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

export interface EventPublisher {
  readonly connected: boolean
  /** True when JetStream has acknowledged within `ackMsMax`; false means that nothing is known. Never rejects. */
  publish(event: Publication, ackMsMax: number): Promise<boolean>
  close(): Promise<void>
}

export interface PublisherOptions {
  /** One server or several, separated by commas. */
  readonly url: string
  /** File of a user's credentials. */
  readonly credsFile?: string | undefined
  /** Put before every subject, so that tests can share a server. */
  readonly subjectPrefix?: string
  readonly instruments: Instruments
  readonly logger: Logger
}

/**
 * Returns at once and connects in the background, for ever, so that submits are taken while NATS is away (spec
 * operations.md F4). While disconnected a publish fails immediately: the client library would keep it in memory, without a
 * bound, although the outbox already holds it.
 */
export function connectPublisher(options: PublisherOptions): EventPublisher {
  const link = new Link(options)
  const prefix = options.subjectPrefix ?? ''
  return {
    get connected() {
      return link.jetstream !== undefined
    },
    async publish(event, ackMsMax) {
      try {
        if (link.jetstream === undefined) throw new Error('not connected')
        await link.jetstream.publish(`${prefix}${event.subject}`, event.payload, {
          msgID: event.msgId,
          headers: headersOf(event),
          timeout: ackMsMax,
        })
        return true
      } catch {
        // The outbox repeats it; that it failed is all there is to know.
        options.instruments.publishErrors.inc({ stream: streamOf(event.subject) })
        return false
      }
    },
    close: () => link.close(),
  }
}

function headersOf(event: Publication): ReturnType<typeof natsHeaders> {
  const headers = natsHeaders()
  for (const [name, value] of Object.entries(event.headers)) headers.set(name, value)
  return headers
}

const streamOf = (subject: string): string =>
  INBOUND_MIRRORS.find((mirror) => mirror.subject === subject)?.stream ?? 'unknown'

/**
 * The connection. `jetstream` is absent until the first server answers, while the library reconnects, and between the end of
 * one connection and the next, which is opened if the library ever gives one up.
 */
class Link {
  jetstream: JetStreamClient | undefined
  readonly #options: PublisherOptions
  #closing = false
  #connection: NatsConnection | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    void this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#closing) {
      try {
        await this.#session()
      } catch (error) {
        this.#options.logger.warn('api.nats_failed', {
          reason: error instanceof Error ? error.name : 'unknown',
        })
      }
      this.jetstream = undefined
      if (!this.#closing) await sleep(RECONNECT_MS)
    }
  }

  async #session(): Promise<void> {
    const connection = await connect(connectionOptions(this.#options))
    if (this.#closing) return connection.close()
    this.#connection = connection
    const client = jetstream(connection)
    this.#use(client)
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#use(undefined)
      if (status.type === 'reconnect') this.#use(client)
    }
  }

  #use(client: JetStreamClient | undefined): void {
    this.jetstream = client
    if (client === undefined) this.#options.logger.warn('api.nats_disconnected')
    else this.#options.logger.info('api.nats_connected')
  }

  /** Before the first connection there is nothing to close: the wait for it ends with the process. */
  async close(): Promise<void> {
    this.#closing = true
    this.jetstream = undefined
    await this.#connection?.close()
  }
}

// A constant wait: the library asks for it several times per attempt, so a growing one would never elapse.
const RECONNECT_MS = 1_000

function connectionOptions(options: PublisherOptions): NodeConnectionOptions {
  const servers = options.url.split(',').map((url) => new URL(url.trim()))
  const { username = '', password = '' } = servers[0] ?? {}
  return {
    servers: servers.map((server) => server.host),
    name: 'sms-api',
    inboxPrefix: '_INBOX_sms-api',
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_MS,
    // A dead server is noticed after 20 s at the latest.
    pingInterval: 10_000,
    maxPingOut: 1,
    noAsyncTraces: true,
    ...(username !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(options.credsFile !== undefined && {
      authenticator: credsAuthenticator(readFileSync(options.credsFile)),
    }),
  }
}
