import { readFile } from 'node:fs/promises'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import type { Log } from '../streams/platform/log.ts'

export interface NatsOptions {
  readonly url: string
  /** Path of a credentials file. */
  readonly creds: string | undefined
  readonly log: Log
}

/** A connection that mends itself, and knows whether it stands. */
export interface Nats {
  readonly connection: NatsConnection
  readonly isConnected: boolean
}

// Replies come below this prefix only: the permissions of our NATS user say so (spec operations.md section 6).
const INBOX_PREFIX = '_INBOX_smpp-connector'
const RECONNECT_MS_MAX = 30_000
const RECONNECT_FIRST_MS = 250

/** Connects, waiting for NATS as long as it takes; later losses are mended with at most 30 s between two attempts. */
export async function connectNats({ url, creds, log }: NatsOptions): Promise<Nats> {
  let attempts = 0
  const connection = await connect({
    servers: url.split(','),
    name: 'smpp-gateway',
    inboxPrefix: INBOX_PREFIX,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    reconnectDelayHandler: () =>
      Math.min(RECONNECT_MS_MAX, RECONNECT_FIRST_MS * 2 ** Math.min(attempts++, 10)),
    ...(creds !== undefined && { authenticator: credsAuthenticator(await readFile(creds)) }),
  })
  let isConnected = true
  const watch = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue
      isConnected = type === 'reconnect'
      if (isConnected) attempts = 0
      log.warn(`nats.${type}`)
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
