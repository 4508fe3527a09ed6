import { setImmediate as nextTurn } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { backoffMs } from '../../streams/platform/backoff.ts'
import { maskDigits, type Logger } from '../../streams/platform/logger.ts'
import { KEY_LIFETIME_MS, StoredReply } from './idempotency.ts'
import type { Instruments } from '../instruments.ts'

/**
 * Replies of used keys. Only a cache [SM15]: undefined, also while Redis is away, means that
 * Postgres decides.
 */
export interface ReplyCache {
  get(hash: string): Promise<StoredReply | undefined>
  /** Never rejects. */
  set(hash: string, stored: StoredReply): Promise<void>
}

/** A frozen Redis must cost a submit less than a second look into Postgres does. */
const COMMAND_MS_MAX = 50

const keyOf = (hash: string): string => `orch:submit-idem:${hash}`

/** Fails at once while disconnected instead of queueing, and reconnects for ever. */
export function connectRedis(url: string, logger: Logger, random: () => number): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_MS_MAX,
    connectTimeout: 2_000,
    enableAutoPipelining: true,
    retryStrategy: (attempt) => backoffMs(attempt, { firstMs: 100, maxMs: 5_000, jitter: 0.2, random }),
  })
  redis.on('ready', () => logger.info('api.redis_connected'))
  redis.on('close', () => logger.warn('api.redis_disconnected'))
  redis.on('error', (error: Error) => logger.debug('api.redis_error', { reason: maskDigits(error.name) }))
  return redis
}

export function redisReplyCache(redis: Redis, instruments: Instruments): ReplyCache {
  const find = inOneTurn((keys) => redis.mget(keys))
  return {
    async get(hash) {
      try {
        const stored = await find(keyOf(hash))
        if (stored === null) return undefined
        instruments.cacheHits.inc()
        return StoredReply.parse(JSON.parse(stored))
      } catch {
        // Away or unreadable: counted, and the same as not found, because Postgres decides.
        instruments.redisErrors.inc({ op: 'get' })
        return undefined
      }
    },
    async set(hash, stored) {
      try {
        await redis.set(keyOf(hash), JSON.stringify(stored), 'EX', KEY_LIFETIME_MS / 1000)
      } catch {
        instruments.redisErrors.inc({ op: 'set' })
      }
    },
  }
}

type Found = string | null

/** What is asked for in one turn of the event loop is one command. */
function inOneTurn(ask: (keys: string[]) => Promise<Found[]>): (key: string) => Promise<Found> {
  let keys: string[] = []
  let answers: Promise<Found[]> | undefined
  const send = async (): Promise<Found[]> => {
    await nextTurn()
    const asked = keys
    keys = []
    answers = undefined
    return ask(asked)
  }
  return async (key) => {
    const place = keys.push(key) - 1
    answers ??= send()
    return (await answers)[place] ?? null
  }
}
