import type { ConnectionOptions } from 'node:tls'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import type { ApiVersions, VersionRange } from './call.ts'
import { Connection } from './connection.ts'
import { ConnectionLost } from './connection-lost.ts'
import { openSocket, placeName, untilConnected } from './open-socket.ts'
import type { BrokerPlace, SocketFactory } from './open-socket.ts'
import { authenticate } from './sasl.ts'
import type { SaslOptions, SessionMs } from './sasl.ts'

/** How brokers are spoken to; the same for all of them. */
export interface ConnectionSettings {
  /** At most 242 bytes; brokers show it in their logs and quotas. */
  readonly clientId: string
  readonly tls?: ConnectionOptions | undefined
  readonly sasl?: SaslOptions | undefined
  /** Makes the client's part of a SCRAM exchange: never the same twice. */
  readonly nonce: () => string
  /** Until the socket is open, TLS included. */
  readonly connectTimeoutMs: number
  /** Until a request is answered, unless it says otherwise itself. */
  readonly requestTimeoutMs: number
  readonly socketFactory?: SocketFactory
}

/** A connection that may be used: the broker has said what it speaks and has let us in. */
export interface OpenConnection {
  readonly connection: Connection
  readonly versions: ApiVersions
  readonly sessionMs: SessionMs
}

/** Rejects with ConnectionLost, or with `fatal` when the broker refuses the credentials. */
export async function openConnection(to: BrokerPlace, settings: ConnectionSettings): Promise<OpenConnection> {
  const { clientId, tls, connectTimeoutMs, socketFactory = openSocket } = settings
  const socket = socketFactory(to, tls)
  await untilConnected(socket, to, { isTls: tls !== undefined, timeoutMs: connectTimeoutMs })
  const connection = new Connection(socket, placeName(to), clientId)
  try {
    const versions = await askVersions(connection, settings.requestTimeoutMs)
    return { connection, versions, sessionMs: await letIn(connection, versions, settings) }
  } catch (error) {
    connection.close()
    // What cannot be read is no answer of a broker.
    throw error instanceof RangeError ? new ConnectionLost(`${connection.name}: ${error.message}`) : error
  }
}

function letIn(
  connection: Connection,
  versions: ApiVersions,
  { sasl, nonce, requestTimeoutMs: timeoutMs }: ConnectionSettings,
): Promise<SessionMs> | SessionMs {
  return sasl === undefined ? undefined : authenticate(connection, versions, sasl, { nonce, timeoutMs })
}

/** v0 is the one that every broker answers, also one that is older or newer than we know. */
const API_VERSIONS = { apiKey: 18, apiVersion: 0, apiName: 'ApiVersions' }

async function askVersions(connection: Connection, timeoutMs: number): Promise<ApiVersions> {
  const answer = await connection.request(API_VERSIONS, new ByteWriter(), timeoutMs)
  const reader = new ByteReader(answer)
  const code = reader.int16()
  if (code !== 0) throw new ConnectionLost(`${connection.name} does not say what it speaks: error ${code}`)
  const ranges = reader.array((): [number, VersionRange] => [
    reader.int16(),
    { minVersion: reader.int16(), maxVersion: reader.int16() },
  ])
  return new Map(ranges)
}
