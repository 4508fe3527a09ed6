import { Redis } from 'ioredis'
import type { Logger } from '../streams/platform/logger.ts'
import { seldom } from '../streams/platform/seldom.ts'

/**
 * Redis as the gateway uses it: a limiter, a journal and a lease. As yet only a start needs it:
 * without Redis a new process gets no lease [B4]. A call that fails or hangs answers `undefined`,
 * and for a moment after it nobody waits for Redis again.
 */
export interface SharedState {
  /** The result, or undefined when Redis could not be asked. */
  attempt<T>(call: (redis: Redis) => Promise<T>): Promise<T | undefined>
  readonly isUp: boolean
  close(): void
}

const COMMAND_MS_MAX = 500
/**
 * How long a failed call keeps the others from trying: a hung Redis would cost each of them its
 * whole timeout.
 */
const PAUSE_MS = 500
/** Each command of an outage fails; one line in this time says as much. */
const WARN_MS = 10_000
const RECONNECT_MS_MAX = 2_000

export interface SharedStateOptions {
  readonly url: string
  /** Monotonic, in ms. */
  readonly now: () => number
  readonly logger: Logger
}

export function connectRedis({ url, now, logger }: SharedStateOptions): SharedState {
  const redis = new Redis(url, {
    // Commands of one turn of the event loop travel together; each alone would be a system call.
    enableAutoPipelining: true,
    // A command must fail at once when Redis is away, not wait in a queue until its answer is
    // stale.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_MS_MAX,
    retryStrategy: (times) => Math.min(RECONNECT_MS_MAX, times * 100),
  })
  let pausedUntil = 0
  const warn = seldom(WARN_MS, now)
  const onError = (error: unknown): void => warn(() => logger.warn('redis.error', { error }))
  redis.on('error', onError)
  const attempt = async <T>(call: (redis: Redis) => Promise<T>): Promise<T | undefined> => {
    if (redis.status !== 'ready' || now() < pausedUntil) return undefined
    try {
      return await call(redis)
    } catch (error) {
      pausedUntil = now() + PAUSE_MS
      onError(error)
      return undefined
    }
  }
  return {
    attempt,
    get isUp() {
      return redis.status === 'ready' && now() >= pausedUntil
    },
    close: () => redis.disconnect(),
  }
}
