import { readFile } from 'node:fs/promises'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { LinkTls } from '../../streams/contracts/operator-profile.ts'
import { createFramer } from './framing.ts'
import { decodePdu, encodePdu, isResponseId, isUnbind, type Pdu } from './pdu.ts'
import { ESME_RINVCMDID, ESME_RINVCMDLEN } from './status-class.ts'

/** Called for what happens on the wire. */
export interface WireHooks {
  sent(bytes: number): void
  received(bytes: number): void
}

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  /** Null: in the clear. Otherwise the operator's certificate is always checked. */
  readonly tls: LinkTls | null
  readonly timeoutMs: number
  readonly hooks: WireHooks
  /** False when nothing more but an unbind may go to the operator. */
  readonly mayWrite: () => boolean
  readonly onPdu: (pdu: Pdu) => void
  /** Called once, whichever side has closed. */
  readonly onClosed: (reason: string) => void
}

/** A TCP connection that carries whole PDUs. What arrives but cannot be read is answered here. */
export interface Connection {
  /** Resolves when the peer takes more bytes: writing on without it would only fill our memory. */
  writable(): Promise<void>
  send(bytes: Buffer): void
  destroy(reason: string): void
}

const KEEPALIVE_MS = 30_000
/** Answers that pile up while the peer does not read. Above this the peer counts as dead. */
const UNSENT_BYTES_MAX = 1_048_576

/** Rejects when no connection stands within `timeoutMs`, with TLS its handshake included. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { host, port, tls } = options
  const socket = tls === null ? connectTcp({ host, port }) : await securedSocket(options, tls)
  // Nagle's algorithm would hold each small PDU back for the peer's delayed ACK: 44 ms each.
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEPALIVE_MS)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('connect timeout')), options.timeoutMs)
    socket.once('error', reject)
    socket.once(tls === null ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer)
      socket.removeListener('error', reject)
      resolve(attach(socket, options))
    })
    socket.once('close', () => clearTimeout(timer))
  })
}

/** Files are read for every connection, so that a renewed certificate needs no restart. */
async function securedSocket({ host, port }: ConnectionOptions, tls: LinkTls): Promise<Socket> {
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(contentOf))
  const name = tls.serverName ?? (isIP(host) === 0 ? host : undefined)
  return connectTls({
    host,
    port,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(name !== undefined && { servername: name }),
  })
}

const contentOf = async (path: string | undefined): Promise<Buffer | undefined> =>
  path === undefined ? undefined : readFile(path)

function attach(socket: Socket, options: ConnectionOptions): Connection {
  let reason = 'closed by the operator'
  const framer = createFramer()
  const destroy = (why: string): void => {
    if (socket.destroyed) return
    reason = why
    // The last answer, such as unbind_resp, may still wait for the end of this turn.
    output.flush()
    socket.destroy()
  }
  const output = joined(socket, options)
  socket.on('data', (chunk: Buffer) => {
    options.hooks.received(chunk.length)
    const { frames, broken } = framer.push(chunk)
    for (const frame of frames) take(frame)
    if (!broken) return
    output.send(encodePdu('generic_nack', 0, {}, ESME_RINVCMDLEN))
    destroy('invalid command_length')
  })
  const take = (frame: Buffer): void => {
    const read = decodePdu(frame)
    if (read.ok) return options.onPdu(read.pdu)
    if (isResponseId(frame)) return
    // Its length was right, so the next PDU can be found. Closing would only meet the same again.
    const status = read.reason === 'malformed' ? ESME_RINVCMDLEN : ESME_RINVCMDID
    output.send(encodePdu('generic_nack', read.sequence, {}, status))
  }
  socket.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? 'socket error'
  })
  socket.on('end', () => destroy('closed by the operator'))
  socket.once('close', () => options.onClosed(reason))
  return {
    send: (bytes) => {
      if (socket.writableLength + output.waiting > UNSENT_BYTES_MAX)
        return destroy('the operator does not read')
      output.send(bytes)
    },
    destroy,
    writable: () => (socket.writableNeedDrain && !socket.destroyed ? drained(socket) : READY),
  }
}

const READY = Promise.resolve()

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.removeListener('drain', done)
      socket.removeListener('close', done)
      resolve()
    }
    socket.once('drain', done)
    socket.once('close', done)
  })

interface Output {
  /** Octets that wait for the end of this turn of the event loop. */
  readonly waiting: number
  send(bytes: Buffer): void
  flush(): void
}

/**
 * All PDUs of one turn of the event loop leave in one system call, and as one buffer: many small
 * ones cost more there than to join them.
 */
function joined(socket: Socket, { hooks, mayWrite }: ConnectionOptions): Output {
  let frames: Buffer[] = []
  let waiting = 0
  const flush = (): void => {
    // As late as can be: the process may have stood still since they were made.
    const leaving = mayWrite() ? frames : frames.filter(isUnbind)
    const [first] = leaving
    frames = []
    waiting = 0
    if (first === undefined || socket.destroyed || !socket.writable) return
    const bytes = leaving.length === 1 ? first : Buffer.concat(leaving)
    hooks.sent(bytes.length)
    socket.write(bytes)
  }
  return {
    get waiting() {
      return waiting
    },
    send: (bytes) => {
      if (socket.destroyed || !socket.writable) return
      if (frames.push(bytes) === 1) setImmediate(flush)
      waiting += bytes.length
    },
    flush,
  }
}
