import { readFileSync } from 'node:fs'
import {
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node'
import type { Logger } from '../streams/platform/logger.ts'

export interface NatsOptions {
  /** One server or several, separated by commas; a user and password in the first count for all. */
  readonly url: string
  /** Path of a credentials file. */
  readonly creds: string | undefined
  readonly logger: Logger
}

/** A connection that mends itself, and knows whether it stands. */
export interface Nats {
  readonly connection: NatsConnection
  readonly isConnected: boolean
}

/** Name of our NATS user; replies come below its own prefix only, its permissions say so (spec operations.md section 6). */
const USER = 'smpp-connector'
// Constant, far below the 30 s that spec F4 allows: the library asks for it several times per attempt, so a growing wait would
// never elapse.
const RECONNECT_MS = 1_000

/** Connects, waiting for NATS as long as it takes. */
export async function connectNats(options: NatsOptions): Promise<Nats> {
  const connection = await connect(connectionOptions(options))
  let isConnected = true
  const watch = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue
      isConnected = type === 'reconnect'
      options.logger.warn(isConnected ? 'nats.connected' : 'nats.disconnected')
    }
    isConnected = false
  }
  void watch()
  return {
    connection,
    get isConnected() {
      return isConnected
    },
  }
}

function connectionOptions({ url, creds }: NatsOptions): NodeConnectionOptions {
  const servers = url.split(',').map((each) => new URL(each.trim()))
  const { username = '', password = '' } = servers[0] ?? {}
  return {
    servers: servers.map((server) => server.host),
    name: USER,
    inboxPrefix: `_INBOX_${USER}`,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_MS,
    // A server that is gone without a word is noticed after 20 s at the latest.
    pingInterval: 10_000,
    maxPingOut: 1,
    // A stack for every request costs a sixth of the whole throughput, and ours are told apart by their subjects.
    noAsyncTraces: true,
    ...(username !== '' && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(creds !== undefined && { authenticator: credsAuthenticator(readFileSync(creds)) }),
  }
}
