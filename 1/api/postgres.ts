import { DatabaseError, Pool, type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import type { Logger } from '../streams/platform/logger.ts'
import type { Instruments } from './instruments.ts'
import { DependencyUnavailable } from './problem.ts'

export type Row = Record<string, unknown>
export type Statement = QueryConfig<unknown[]>

export interface PoolLimits {
  readonly connectionsMax: number
  /** For a free connection or a new one. */
  readonly connectMsMax: number
  /**
   * For one statement; in a transaction the server gives up first, so that a late commit does not
   * follow an error answer.
   */
  readonly statementMsMax: number
}

/**
 * Connections that write the statements of a transaction at once instead of waiting for each answer
 * (`pipeline`), so that a transaction costs one round trip.
 */
export function openPool(url: string, limits: PoolLimits, logger: Logger): Pool {
  const options = {
    connectionString: url,
    max: limits.connectionsMax,
    connectionTimeoutMillis: limits.connectMsMax,
    query_timeout: limits.statementMsMax + CLIENT_PATIENCE_MS,
    idleTimeoutMillis: 60_000,
    application_name: 'sms-api',
    pipeline: true,
  }
  const pool = new Pool(options)
  // Without a listener a broken connection would end the process. The pool listens to idle ones
  // only. When one in use breaks, its statement fails, and the pool replaces it.
  const lost = (error: Error) => logger.warn('api.postgres_connection_lost', { reason: codeOf(error) })
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', lost))
  return pool
}

const CLIENT_PATIENCE_MS = 500

export interface TransactionOptions {
  /** How long one statement may wait for a lock; as long as it may take when absent. */
  readonly lockMsMax?: number | undefined
  /** Everything is done, and then undone. */
  readonly rollBack?: boolean | undefined
}

export interface Database {
  /**
   * Runs the statements in one transaction and gives one result per statement. `op` labels a
   * failure. Throws DependencyUnavailable when Postgres is away; then nothing is known to be
   * stored.
   */
  transaction(
    op: string,
    statements: readonly Statement[],
    options?: TransactionOptions,
  ): Promise<QueryResult<Row>[]>
  /** Throws DependencyUnavailable when Postgres does not answer. */
  ping(): Promise<void>
}

/**
 * Statements on behalf of `tenantId`, to be part of a transaction. Outside of it row-level security
 * shows no rows and takes none [DB41], [DB42]. The first result is that of the scope itself.
 */
export const inTenant = (tenantId: string, statements: readonly Statement[]): readonly Statement[] => [
  { text: `SELECT set_config('app.tenant_id', $1, true)`, values: [tenantId] },
  ...statements,
]

export function connectDatabase(
  pool: Pool,
  { statementMsMax }: Pick<PoolLimits, 'statementMsMax'>,
  instruments: Instruments,
): Database {
  const run = async (op: string, statements: readonly (Statement | string)[]) => {
    try {
      return await inOneTrip(pool, statements)
    } catch (error) {
      instruments.postgresErrors.inc({ op })
      throw isOutage(error) ? new DependencyUnavailable('postgres', error) : error
    }
  }
  // Set for the transaction and not for the session: a pooler in between gives each transaction
  // another session, and refuses settings that a client brings along.
  const begin = (lockMsMax = 0): string =>
    `BEGIN; SET LOCAL statement_timeout = ${statementMsMax}; SET LOCAL lock_timeout = ${lockMsMax}`
  return {
    async transaction(op, statements, { lockMsMax, rollBack } = {}) {
      const results = await run(op, [
        begin(lockMsMax),
        ...statements,
        rollBack === true ? 'ROLLBACK' : 'COMMIT',
      ])
      return results.slice(1, -1)
    },
    async ping() {
      await run('ping', ['SELECT 1'])
    },
  }
}

/**
 * Everything is on the wire before the first answer. After an error Postgres refuses the rest and
 * turns COMMIT into ROLLBACK. The connection is then closed: in what state it is left is not known.
 */
async function inOneTrip(
  pool: Pool,
  statements: readonly (Statement | string)[],
): Promise<QueryResult<Row>[]> {
  const client = await pool.connect()
  const settled = await Promise.allSettled(statements.map((statement) => query(client, statement)))
  const failure = settled.find((result) => result.status === 'rejected')
  client.release(failure !== undefined)
  if (failure !== undefined) throw failure.reason
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

const query = (client: PoolClient, statement: Statement | string): Promise<QueryResult<Row>> =>
  typeof statement === 'string' ? client.query<Row>(statement) : client.query<Row, unknown[]>(statement)

// SQLSTATE classes: connection, resources, operator intervention, system, internal, and rolled back
// for concurrency.
const OUTAGE_CLASSES = new Set(['08', '40', '53', '55', '57', '58', 'XX'])

/** An error that is no answer of the server (refused, reset, timed out) is an outage too. */
export const isOutage = (error: unknown): boolean =>
  !(error instanceof DatabaseError) ||
  OUTAGE_CLASSES.has((error.code ?? '').slice(0, 2)) ||
  lacksPartition(error)

/** The month's partition is missing [ER20]: the only check violation that names no constraint. */
const lacksPartition = ({ code, constraint }: DatabaseError): boolean =>
  code === '23514' && constraint === undefined

// The server has said no to a statement, so nothing of its transaction is stored.
const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK = '40P01'
const STATEMENT_TIMEOUT = '57014'

/**
 * Whether a transaction over several rows may have failed for one of them: a value or a constraint
 * (classes 22, 23), or a lock that somebody else holds. Never when the outcome is unknown.
 */
export function isOfOneRow(error: unknown): boolean {
  const cause = error instanceof DependencyUnavailable ? error.cause : error
  if (!(cause instanceof DatabaseError)) return false
  const code = cause.code ?? ''
  return (
    ['22', '23'].includes(code.slice(0, 2)) ||
    [LOCK_NOT_AVAILABLE, DEADLOCK, STATEMENT_TIMEOUT].includes(code)
  )
}

/** SQLSTATE or errno: the text of the error may quote values. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
