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
  const find = inOneTurn((keys: string[]) => redis.mget(keys))
  const keep = inOneTurn(async (pairs: Pair[]) => {
    const [keys, values] = [pairs.map(({ key }) => key), pairs.map(({ value }) => value)]
    await redis.eval(SET_ALL, keys.length, ...keys, KEY_LIFETIME_MS / 1000, ...values)
    return []
  })
  return {
    async get(hash) {
      try {
        const stored = await find(keyOf(hash))
        if (stored === null || stored === undefined) return undefined
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
        await keep({ key: keyOf(hash), value: JSON.stringify(stored) })
      } catch {
        instruments.redisErrors.inc({ op: 'set' })
      }
    },
  }
}

interface Pair {
  readonly key: string
  readonly value: string
}

/** A command for each would cost this process more than the reply itself. */
const SET_ALL = `for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1]) end`

/** Redis serves nobody else meanwhile: so many take it about a millisecond. */
const TOGETHER_MAX = 500

/** What is asked in one turn of the event loop is one command. */
function inOneTurn<Q, A>(
  ask: (questions: Q[]) => Promise<readonly A[]>,
): (question: Q) => Promise<A | undefined> {
  let gathering: { readonly questions: Q[]; readonly answers: Promise<readonly A[]> } | undefined
  const begin = () => {
    const questions: Q[] = []
    const send = async (): Promise<readonly A[]> => {
      await nextTurn()
      if (gathering?.questions === questions) gathering = undefined
      return ask(questions)
    }
    return { questions, answers: send() }
  }
  return async (question) => {
    gathering ??= begin()
    const { questions, answers } = gathering
    const place = questions.push(question) - 1
    if (questions.length >= TOGETHER_MAX) gathering = undefined
    return (await answers)[place]
  }
}
