import { LogError } from '../../port.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { speaks } from './call.ts'
import type { ApiVersions } from './call.ts'
import type { Connection } from './connection.ts'
import { ScramClient } from './scram.ts'

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

export interface SaslOptions {
  readonly mechanism: (typeof SASL_MECHANISMS)[number]
  readonly username: string
  readonly password: string
}

/** How long the broker takes the credentials for good; undefined: as long as it is connected. */
export type SessionMs = number | undefined

type Exchange = (bytes: Buffer) => Promise<Buffer>

/**
 * Shows who we are before anything else is asked. Throws `fatal` when the broker refuses: another
 * attempt with the same password is no better.
 */
export async function authenticate(
  connection: Connection,
  versions: ApiVersions,
  sasl: SaslOptions,
  { nonce, timeoutMs }: { readonly nonce: () => string; readonly timeoutMs: number },
): Promise<SessionMs> {
  await handshake(connection, sasl.mechanism, timeoutMs)
  const apiVersion = speaks(versions, { apiKey: AUTHENTICATE.apiKey, apiVersion: 1 }) ? 1 : 0
  let sessionMs: SessionMs
  const exchange: Exchange = async (bytes) => {
    const body = new ByteWriter().bytes(bytes)
    const answer = await connection.request({ ...AUTHENTICATE, apiVersion }, body, timeoutMs)
    const reader = new ByteReader(answer)
    const code = reader.int16()
    // The broker's own sentence may name the user.
    if (code !== 0) throw refused(sasl.mechanism, `error ${code}`)
    reader.string()
    const reply = reader.prefixed()
    const lifeMs = apiVersion === 1 ? reader.int64() : 0
    if (lifeMs > 0) sessionMs = lifeMs
    return reply
  }
  await prove(sasl, nonce, exchange)
  return sessionMs
}

const HANDSHAKE = { apiKey: 17, apiVersion: 1, apiName: 'SaslHandshake' }
const AUTHENTICATE = { apiKey: 36, apiName: 'SaslAuthenticate' }

async function handshake(connection: Connection, mechanism: string, timeoutMs: number): Promise<void> {
  const answer = await connection.request(HANDSHAKE, new ByteWriter().string(mechanism), timeoutMs)
  const reader = new ByteReader(answer)
  if (reader.int16() === 0) return
  const offered = reader.array(() => reader.string())
  throw refused(mechanism, `it takes ${offered.join(', ') || 'no mechanism'}`)
}

async function prove(sasl: SaslOptions, nonce: () => string, exchange: Exchange): Promise<void> {
  const { mechanism, username, password } = sasl
  if (mechanism === 'PLAIN') {
    await exchange(Buffer.from(`\0${username}\0${password}`))
    return
  }
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512'
  const client = new ScramClient(hash, username, password, nonce())
  try {
    const serverFirst = await exchange(Buffer.from(client.first()))
    const serverFinal = await exchange(Buffer.from(await client.final(serverFirst.toString())))
    client.verify(serverFinal.toString())
  } catch (error) {
    if (error instanceof Error && error.constructor === Error) throw refused(mechanism, error.message)
    throw error
  }
}

const refused = (mechanism: string, why: string): LogError =>
  new LogError('fatal', `the broker refuses ${mechanism}: ${why}`)
