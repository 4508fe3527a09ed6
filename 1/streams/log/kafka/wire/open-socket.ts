import { connect as connectPlain, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { ConnectionLost } from './connection-lost.ts'

export interface BrokerPlace {
  readonly host: string
  readonly port: number
}

/** Opens a socket, which may not be connected yet; tests put faults in here. */
export type SocketFactory = (to: BrokerPlace, tls: ConnectionOptions | undefined) => Socket

export const placeName = ({ host, port }: BrokerPlace): string => `${host}:${port}`

const KEEP_ALIVE_MS = 60_000

/**
 * Without Nagle's algorithm: with it a small request waits up to 40 ms for the acknowledgement of
 * the one before, and a transaction is a row of small requests.
 */
export const openSocket: SocketFactory = ({ host, port }, tls) => {
  const servername = isIP(host) === 0 ? { servername: host } : {}
  const socket =
    tls === undefined
      ? connectPlain({ host, port, noDelay: true })
      : connectTls({ host, port, ...servername, ...tls }).setNoDelay(true)
  return socket.setKeepAlive(true, KEEP_ALIVE_MS)
}

/** Resolves when the socket is connected, with TLS when it is one of TLS. */
export function untilConnected(
  socket: Socket,
  to: BrokerPlace,
  { isTls, timeoutMs }: { readonly isTls: boolean; readonly timeoutMs: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(new ConnectionLost(`no connection to ${placeName(to)}: ${reason}`))
    }
    const timer = setTimeout(() => fail(`not within ${timeoutMs} ms`), timeoutMs)
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      resolve()
    })
    // Stays for the life of the socket: one that is destroyed may still have an error to tell.
    socket.on('error', (error) => fail(error.message))
    socket.once('close', () => fail('closed'))
  })
}
