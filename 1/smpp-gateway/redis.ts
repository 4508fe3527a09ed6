import { Redis } from 'ioredis'
import type { Logger } from '../streams/platform/logger.ts'
import { seldom } from '../streams/platform/seldom.ts'

/**
 * Redis as the gateway uses it: a limiter, a journal and a lease. Nothing needs it to go on. A call
 * that fails or hangs answers `undefined`, and for a moment after it nobody waits for Redis again.
 */
export interface SharedState {
  /** The result, or undefined when Redis could not be asked. */
  attempt<T>(call: (redis: Redis) => Promise<T>): Promise<T | undefined>
  readonly isUp: boolean
  close(): void
}

/** What the lease must know beside: a Redis that was away may have forgotten it [B4]. */
export interface WatchedState extends SharedState {
  /**
   * Since when nothing that we asked was left without an answer, monotonic ms: -Infinity when that
   * has always been so, undefined while Redis is away.
   */
  readonly answeringSince: number | undefined
  /** Calls `listener` as soon as Redis can be asked again; the result ends that. */
  onBack(listener: () => void): () => void
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

export function connectRedis({ url, now, logger }: SharedStateOptions): WatchedState {
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
  const absence = watchAbsence(redis, now)
  const attempt = async <T>(call: (redis: Redis) => Promise<T>): Promise<T | undefined> => {
    if (redis.status !== 'ready' || now() < pausedUntil) return undefined
    try {
      const answer = await call(redis)
      absence.answered()
      return answer
    } catch (error) {
      pausedUntil = now() + PAUSE_MS
      absence.missed()
      onError(error)
      return undefined
    }
  }
  return {
    attempt,
    get isUp() {
      return redis.status === 'ready' && now() >= pausedUntil
    },
    get answeringSince() {
      return absence.answeringSince
    },
    onBack: absence.onBack,
    close: () => redis.disconnect(),
  }
}

interface Absence extends Pick<WatchedState, 'answeringSince' | 'onBack'> {
  answered(): void
  missed(): void
}

/** A process that has just started is slow itself: a late first answer says nothing about Redis. */
const START_MS = 2_000

function watchAbsence(redis: Redis, now: () => number): Absence {
  const startedAt = now()
  const listeners = new Set<() => void>()
  let wasAway = false
  let hasAnswered = false
  let answeringSince: number | undefined
  const answered = (): void => {
    hasAnswered = true
    answeringSince ??= wasAway ? now() : Number.NEGATIVE_INFINITY
  }
  const missed = (): void => {
    wasAway ||= hasAnswered || now() - startedAt >= START_MS
    answeringSince = undefined
  }
  redis.on('close', () => {
    wasAway = true
    answeringSince = undefined
  })
  redis.on('ready', () => {
    answeringSince ??= wasAway ? now() : Number.NEGATIVE_INFINITY
    if (wasAway) for (const listener of listeners) listener()
  })
  return {
    answered,
    missed,
    get answeringSince() {
      return answeringSince
    },
    onBack: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
