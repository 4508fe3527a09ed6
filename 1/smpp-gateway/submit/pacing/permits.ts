import { randomUUID } from 'node:crypto'
import type { SharedState } from '../../redis.ts'

/** Permits of one call: the first is due in `inMs`, the others `spacingMs` apart. */
export interface Permits {
  readonly count: number
  /** Without a permit: when to ask again. */
  readonly inMs: number
}

/**
 * So far ahead permits are given away. It is what makes a batch of them, and what a stalled process
 * can keep from the others.
 */
export const HORIZON_MS = 50

/**
 * KEYS[1] the sorted set; ARGV[1] limit, ARGV[2] permits wanted, ARGV[3] prefix unique to this
 * call, ARGV[4] spacing and ARGV[5] horizon, both in microseconds. Scores are the moments, in
 * microseconds of Redis time, for which permits were given.
 *
 * The clock never goes back: the next permit lies after the newest, whatever TIME says. What lies
 * further ahead than any call can have asked for was given before the clock was set back, and is
 * dropped [TP5]. Answers how many permits are given, and in how many microseconds the first is due;
 * without one, when to ask again.
 */
const GIVE = `
local key, limit, wanted = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local spacing, horizon = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', key, '(' .. string.format('%.0f', now + horizon), '+inf')
local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
local first = now
if newest then first = math.max(now, tonumber(newest) + spacing) end
-- The newest stays, however old: the next permit is reckoned from it.
if newest then
  local old = math.min(first - 1000000, tonumber(newest) - 1)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', old))
end
local given = 0
while given < wanted do
  local at = first + given * spacing
  if at > now + horizon then break end
  local text = string.format('%.0f', at)
  if redis.call('ZCOUNT', key, '(' .. string.format('%.0f', at - 1000000), '+inf') >= limit then break end
  redis.call('ZADD', key, text, ARGV[3] .. given)
  given = given + 1
end
if given > 0 then
  redis.call('PEXPIRE', key, math.ceil(2000 + spacing / 1000))
  return {given, math.floor(first - now)}
end
if first > now + horizon then return {0, math.floor(first - now - horizon)} end
local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
return {0, math.floor(math.max(1000, tonumber(oldest or now) + 1000000 - first))}
`

/** The permits of one operator, out of the schedule that all processes share [TP4]. */
export interface PermitSource {
  /** Undefined when Redis could not be asked. */
  ask(limit: number, wanted: number, spacingMs: number): Promise<Permits | undefined>
}

export function sharedPermits(operatorId: string, shared: SharedState): PermitSource {
  const key = `smpp:tps:${operatorId}`
  const caller = randomUUID()
  let calls = 0
  return {
    ask: async (limit, wanted, spacingMs) => {
      calls += 1
      const answer = await shared.attempt((redis) =>
        redis.eval(
          GIVE,
          1,
          key,
          limit,
          wanted,
          `${caller}:${calls}:`,
          Math.max(1, Math.round(spacingMs * 1_000)),
          HORIZON_MS * 1_000,
        ),
      )
      return permitsIn(answer)
    },
  }
}

function permitsIn(answer: unknown): Permits | undefined {
  if (!Array.isArray(answer)) return undefined
  const [count, inMicros] = answer as readonly unknown[]
  if (typeof count !== 'number' || typeof inMicros !== 'number') return undefined
  return { count, inMs: inMicros / 1_000 }
}

/** The same schedule for one process alone [TP7]. `now` is monotonic, in ms. */
export function localPermits(now: () => number): (wanted: number, spacingMs: number) => Permits {
  let newest = Number.NEGATIVE_INFINITY
  return (wanted, spacingMs) => {
    const at = now()
    const first = Math.max(at, newest + spacingMs)
    const fitting = Math.floor((at + HORIZON_MS - first) / spacingMs) + 1
    const count = Math.max(0, Math.min(wanted, fitting))
    if (count === 0) return { count, inMs: first - at - HORIZON_MS }
    newest = first + (count - 1) * spacingMs
    return { count, inMs: first - at }
  }
}
