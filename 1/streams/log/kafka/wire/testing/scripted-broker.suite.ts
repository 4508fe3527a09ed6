import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import { afterEach } from 'vitest'
import type { OwnRequest } from '../own-call.ts'
import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { ownCall } from '../own-call.ts'
import { FrameReader } from '../frames.ts'
import type { ConnectionSettings } from '../open-connection.ts'

/** A request as a broker sees it. */
export interface Seen {
  readonly apiKey: number
  readonly correlationId: number
  readonly body: ByteReader
  /** Which connection it came on, counted from 1. */
  readonly connection: number
  readonly socket: Socket
  /** The answer to it, framed. */
  answer(body: Buffer): Buffer
}

export interface ScriptedBroker {
  readonly port: number
  /** Connections that were ever opened. */
  readonly connections: () => number
  readonly seen: readonly Seen[]
  close(): Promise<void>
}

/** Everything that the tests ask for. */
const ECHO = 99

const VERSIONS = [1, 2, 3, 10, ECHO, 17, 18, 23, 36]

/**
 * A broker in this process that does what a test says with each request and its connection. It says
 * what it speaks by itself, unless `isMute` says otherwise for the connection.
 */
export async function scriptedBroker(
  script: (seen: Seen) => void,
  { isMute = () => false, tls }: { isMute?: (connection: number) => boolean; tls?: TlsOptions } = {},
): Promise<ScriptedBroker> {
  let connections = 0
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  const serve = (socket: Socket): void => {
    connections += 1
    const connection = connections
    const frames = new FrameReader()
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      if (isMute(connection)) return
      for (const frame of frames.push(chunk)) {
        const one = parse(frame, connection, socket)
        seen.push(one)
        if (one.apiKey === 18) socket.write(one.answer(versions()))
        else script(one)
      }
    })
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: portOf(server.address()),
    connections: () => connections,
    seen,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

export function portOf(address: ReturnType<Server['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

/** Takes what a test has opened and closes it after the test, the last one first. */
export function closedAfterEach(): <T extends { close(): unknown }>(opened: T) => T {
  const all: { close(): unknown }[] = []
  afterEach(async () => {
    for (const one of all.splice(0).toReversed()) await one.close()
  })
  return (opened) => {
    all.push(opened)
    return opened
  }
}

function parse(frame: Buffer, connection: number, socket: Socket): Seen {
  const body = new ByteReader(frame)
  const apiKey = body.int16()
  body.skip(2)
  const correlationId = body.int32()
  // The client id.
  body.string()
  const answer = (bytes: Buffer): Buffer => {
    const header = Buffer.alloc(8)
    header.writeInt32BE(bytes.length + 4, 0)
    header.writeInt32BE(correlationId, 4)
    return Buffer.concat([header, bytes])
  }
  return { apiKey, correlationId, body, connection, socket, answer }
}

function versions(): Buffer {
  const out = new ByteWriter().int16(0).int32(VERSIONS.length)
  for (const apiKey of VERSIONS) out.int16(apiKey).int16(0).int16(11)
  return out.buffer
}

/** A request that is answered with its own bytes. */
export const echo = (text: string, requestTimeoutMs?: number) => {
  const request: OwnRequest<{ text: string }> = {
    apiKey: ECHO,
    apiVersion: 0,
    apiName: 'Echo',
    encode: () => new ByteWriter().bytes(Buffer.from(text)),
    decode: (reader) => ({ text: reader.prefixed().toString() }),
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
  }
  return ownCall(request)
}

/** The answer to an echo. */
export const echoed = (seen: Seen): Buffer => seen.answer(Buffer.from(seen.body.bytes.subarray(seen.body.at)))

/** Generous: only what a test means to time out does. */
export const SETTINGS: ConnectionSettings = {
  clientId: 'test',
  nonce: () => 'rOprNGfwEbeRWgbNEkqO',
  connectTimeoutMs: 20_000,
  requestTimeoutMs: 20_000,
}
