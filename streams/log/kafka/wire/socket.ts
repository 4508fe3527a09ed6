import { connect as connectPlain, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'

const KEEP_ALIVE_MS = 60_000

/**
 * Like kafkajs's sockets, but without Nagle's algorithm. With it a small request waits up to 40 ms
 * for the acknowledgement of the one before, and a transaction is a row of small requests.
 */
export function openSocket(to: {
  readonly host: string
  readonly port: number
  readonly ssl?: ConnectionOptions | null
  readonly onConnect: () => void
}): Socket {
  const { host, port, ssl, onConnect } = to
  const servername = isIP(host) === 0 ? { servername: host } : {}
  const socket =
    ssl === undefined || ssl === null
      ? connectPlain({ host, port, noDelay: true }, onConnect)
      : connectTls({ host, port, ...servername, ...ssl }, onConnect).setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return socket
}
