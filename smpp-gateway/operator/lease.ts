import { randomUUID } from 'node:crypto'
import type { Sleep } from '../../streams/platform/backoff.ts'
import type { SharedState } from '../redis.ts'

/** The right of one process to bind for one operator [B3]. */
export interface Lease {
  /** Aborts when another process holds the lease: this one must unbind at once. */
  readonly lost: AbortSignal
  /** Gives the lease up so that a standby need not wait for its end. */
  release(): Promise<void>
}

export interface LeaseOptions {
  readonly operatorId: string
  readonly shared: SharedState
  readonly ttlMs: number
  readonly renewMs: number
  readonly sleep: Sleep
}

/**
 * KEYS[1] the lease; ARGV[1] our token, ARGV[2] its time to live in ms. Takes a free lease, renews
 * our own, leaves another's alone: 1 when we hold it, 0 when another does.
 */
const HOLD = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`
/**
 * Redis has not answered, most often because the process has just started. As yet a free lease is
 * then taken at once [B4].
 */
const UNKNOWN_RETRY_MS = 250
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/**
 * Waits as a standby until the lease is ours; undefined when `signal` aborts first. Only a token of
 * another process ends a lease: while Redis is away its holder goes on and nobody can take over. As
 * yet a process that starts without Redis waits too [B4].
 */
export async function holdLease(options: LeaseOptions, signal: AbortSignal): Promise<Lease | undefined> {
  const key = `smpp:lease:${options.operatorId}`
  const token = randomUUID()
  const hold = (): Promise<unknown> =>
    options.shared.attempt((redis) => redis.eval(HOLD, 1, key, token, options.ttlMs))
  for (let held = await hold(); held !== 1; held = await hold()) {
    await options.sleep(held === undefined ? UNKNOWN_RETRY_MS : options.renewMs, signal)
    if (signal.aborted) return undefined
  }
  const lost = new AbortController()
  const renewal = setInterval(() => {
    void hold().then((held) => {
      if (held === 0) lost.abort()
    })
  }, options.renewMs)
  lost.signal.addEventListener('abort', () => clearInterval(renewal))
  return {
    lost: lost.signal,
    release: async () => {
      clearInterval(renewal)
      await options.shared.attempt((redis) => redis.eval(RELEASE, 1, key, token))
    },
  }
}
