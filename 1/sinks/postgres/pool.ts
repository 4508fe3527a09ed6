import { Pool, type ClientBase } from 'pg'

export interface PoolOptions {
  readonly url: string
  readonly applicationName: string
  readonly connectionsMax: number
  /** How long one statement may take. Default: what is right for one batch of a sink. */
  readonly statementMsMax?: number
  /** A connection that died while idle; the pool replaces it. */
  readonly onIdleError: (error: Error) => void
}

const CONNECT_MS_MAX = 5_000
/**
 * A statement of one batch takes milliseconds. One that waits longer waits for a lock that will not
 * come.
 */
const STATEMENT_MS_MAX = 30_000

export function openPool(options: PoolOptions): Pool {
  const { statementMsMax = STATEMENT_MS_MAX } = options
  const pool = new Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.connectionsMax,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    statement_timeout: statementMsMax,
    query_timeout: statementMsMax + CONNECT_MS_MAX,
    keepAlive: true,
  })
  pool.on('error', options.onIdleError)
  return pool
}

/**
 * The same database as another role, without a password. This is enough where the cluster trusts
 * its network, as the development stack does. Production gives each role its own address.
 */
export function addressAs(databaseUrl: string, role: string): string {
  const address = new URL(databaseUrl)
  address.username = role
  address.password = ''
  return address.href
}

/**
 * Runs `work` in one transaction. After a failure the connection is closed: its state is not worth
 * knowing.
 */
export async function inTransaction<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  // A connection that breaks while in use fails its query, which rejects below. It also emits an
  // event that would end the process.
  client.on('error', alreadyTold)
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    client.off('error', alreadyTold)
    client.release()
    return result
  } catch (error) {
    client.release(true)
    throw error
  }
}

const alreadyTold = (): void => {}
