import { randomUUID } from 'node:crypto'
import { createLocalWindow } from './local-window.ts'
import type { SharedState } from '../redis.ts'

/**
 * Throughput limit of one operator, shared by all processes [TP4]: at most `limit` grants in any
 * 1000 ms. As yet they are not paced [TP1].
 *
 * Requests of one turn of the event loop are asked for in one script call, which grants as many of
 * them as fit. That is as exact as one call each, because the script runs alone and decides on its
 * own clock. A hundred PDUs then cost one round trip and not a hundred.
 */
export interface Throttle {
  /** True when one PDU may be sent now. */
  take(limit: number): Promise<boolean>
  /** Grants of this process in the last 1000 ms. */
  readonly used: number
}

export interface ThrottleOptions {
  readonly operatorId: string
  readonly shared: SharedState
  /** Monotonic, in ms. */
  readonly now: () => number
  /**
   * Called whenever the source of grants is known. True while this process limits itself alone
   * [TP7].
   */
  readonly onFallback: (active: boolean) => void
}

/**
 * KEYS[1] the sorted set; ARGV[1] limit, ARGV[2] permits wanted, ARGV[3] prefix unique to this
 * call. Scores are microseconds on Redis time, as yet also when that goes back [TP5]. Answers how
 * many permits are granted.
 */
const GRANT = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 1000000)
local used = redis.call('ZCARD', KEYS[1])
local granted = math.max(0, math.min(tonumber(ARGV[2]), tonumber(ARGV[1]) - used))
for i = 1, granted do redis.call('ZADD', KEYS[1], now, ARGV[3] .. i) end
if granted > 0 then redis.call('PEXPIRE', KEYS[1], 2000) end
return granted
`

interface Request {
  readonly limit: number
  readonly settle: (granted: boolean) => void
}

export function createThrottle(options: ThrottleOptions): Throttle {
  const key = `smpp:tps:${options.operatorId}`
  const local = createLocalWindow(options.now)
  const caller = randomUUID()
  let waiting: Request[] = []
  let calls = 0

  const flush = async (): Promise<void> => {
    const requests = waiting
    waiting = []
    calls += 1
    // The limit is the operator's and changes only with a new bind. So the smallest asked for is
    // right for all.
    const limit = Math.min(...requests.map((request) => request.limit))
    const answer = await options.shared.attempt((redis) =>
      redis.eval(GRANT, 1, key, limit, requests.length, `${caller}:${calls}:`),
    )
    const shared = typeof answer === 'number' ? answer : undefined
    options.onFallback(shared === undefined)
    for (const [at, request] of requests.entries()) {
      const granted = shared === undefined ? local.take(request.limit) : at < shared
      if (granted && shared !== undefined) local.note()
      request.settle(granted)
    }
  }

  return {
    take: (limit) =>
      new Promise((settle) => {
        waiting.push({ limit, settle })
        if (waiting.length === 1) setImmediate(() => void flush())
      }),
    get used() {
      return local.used
    },
  }
}
