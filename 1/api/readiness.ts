import type { Readiness } from '../streams/platform/operations-server.ts'
import { within } from '../streams/platform/process.ts'
import type { Database } from './postgres.ts'

export interface ReadinessDeps {
  readonly database: Pick<Database, 'ping'>
  /** The process is about to go. */
  readonly draining: () => boolean
  readonly redisConnected: () => boolean
  readonly natsConnected: () => boolean
}

const PING_MS_MAX = 1_000

/**
 * Ready means that Postgres answers [H32] and that the process stays. Submits go on without Redis
 * and NATS, so these are only reported.
 */
export const readinessOf = (deps: ReadinessDeps) => async (): Promise<Readiness> => {
  const isAnswering = await answers(deps.database)
  const ready = isAnswering && !deps.draining()
  const details = {
    ...(deps.draining() && { process: 'draining' }),
    postgres: word(isAnswering),
    redis: word(deps.redisConnected()),
    nats: word(deps.natsConnected()),
  }
  return { ready, details }
}

const answers = (database: Pick<Database, 'ping'>): Promise<boolean> =>
  within(database.ping(), PING_MS_MAX).then(
    () => true,
    () => false,
  )

const word = (isUp: boolean): string => (isUp ? 'up' : 'down')
