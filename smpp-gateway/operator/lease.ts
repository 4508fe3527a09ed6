import { randomUUID } from 'node:crypto'
import type { Sleep } from '../../streams/platform/backoff.ts'
import type { WatchedState } from '../redis.ts'

/** The right of one process to bind for one operator [B3]. */
export interface Lease {
  /** Aborts when another process holds the lease: this one must unbind at once. */
  readonly lost: AbortSignal
  /** False while Redis has not confirmed it: taken because nobody could be asked [B4]. */
  readonly isConfirmed: boolean
  /**
   * Whether by our own clock nobody else can hold it. A process that was frozen for longer than a
   * TTL learns here, and not by the next answer of Redis, that the lease is lost.
   */
  readonly stands: () => boolean
  /** Gives the lease up so that a standby need not wait for its end. */
  release(): Promise<void>
}

/** Why a standby waits. */
export const LEASE_WAITS = {
  holder: 'another process holds the lease',
  redis: 'Redis does not answer, so nobody knows who holds the lease',
  return: 'Redis has come back without the lease, and its holder may take it again',
} as const
export type LeaseWait = keyof typeof LEASE_WAITS

export interface LeaseOptions {
  readonly operatorId: string
  readonly shared: WatchedState
  readonly ttlMs: number
  readonly renewMs: number
  /** Monotonic ms. */
  readonly elapsed: () => number
  readonly sleep: Sleep
  /** Called when what is waited for changes. */
  readonly onWait: (wait: LeaseWait) => void
}

/** What stands in a lease that its holder has given up: free, and nobody else has a claim to it. */
const RELEASED = 'released'
/**
 * KEYS[1] the lease; ARGV[1] our token, ARGV[2] its time to live in ms, ARGV[3] 1 when a lease that
 * is not there may be taken. Answers 'held' (ours now), 'absent' (not taken), or for how many ms
 * another process holds it.
 */
const HOLD = `
local holder = redis.call('GET', KEYS[1])
if not holder and ARGV[3] == '0' then return 'absent' end
if holder and holder ~= ARGV[1] and holder ~= '${RELEASED}' then return redis.call('PTTL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'held'
`
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], '${RELEASED}', 'PX', ARGV[2])
return 1
`
/** While Redis does not answer, most often because the process has just started. */
const UNKNOWN_RETRY_MS = 250

type Hold = (mayTake: boolean) => Promise<unknown>

/**
 * Waits as a standby until the lease is ours; undefined when `signal` aborts first.
 *
 * Only a token of another process ends a lease: while Redis is away its holder goes on, nobody
 * takes over, and the holder asserts it anew as soon as Redis is back. A lease that is missing only
 * because Redis was away or emptied is its holder's for one TTL more. A process that has never had
 * an answer waits one TTL and goes on without [B4].
 */
export async function holdLease(options: LeaseOptions, signal: AbortSignal): Promise<Lease | undefined> {
  const { shared, operatorId, ttlMs } = options
  const key = `smpp:lease:${operatorId}`
  const token = randomUUID()
  const hold: Hold = (mayTake) =>
    shared.attempt((redis) => redis.eval(HOLD, 1, key, token, ttlMs, mayTake ? 1 : 0))
  const taken = await takeLease(hold, options, signal)
  if (taken === undefined) return undefined
  const kept = keepLease(hold, taken, options)
  return {
    lost: kept.lost,
    stands: kept.stands,
    get isConfirmed() {
      return kept.isConfirmed
    },
    release: async () => {
      kept.stop()
      await shared.attempt((redis) => redis.eval(RELEASE, 1, key, token, ttlMs))
    },
  }
}

interface Taken {
  readonly isConfirmed: boolean
  /** Before which it cannot have begun, monotonic ms. */
  readonly askedAt: number
}

async function takeLease(
  hold: Hold,
  { shared, ttlMs, renewMs, elapsed, sleep, onWait }: LeaseOptions,
  signal: AbortSignal,
): Promise<Taken | undefined> {
  const startedAt = elapsed()
  const claim = new Claim(ttlMs)
  let told: LeaseWait | undefined
  while (!signal.aborted) {
    const askedAt = elapsed()
    const answer = await hold(claim.isOver(askedAt, shared.answeringSince))
    if (answer === 'held') return { isConfirmed: true, askedAt }
    claim.note(answer, askedAt)
    if (!claim.hasAnswer && elapsed() - startedAt >= ttlMs) return { isConfirmed: false, askedAt }
    const wait = waitOf(answer)
    if (wait !== told) onWait(wait)
    told = wait
    await sleep(wait === 'holder' ? renewMs : Math.min(renewMs, UNKNOWN_RETRY_MS), signal)
  }
  return undefined
}

/** How long a lease that is not in Redis may still be its holder's. */
class Claim {
  readonly #ttlMs: number
  #until = Number.NEGATIVE_INFINITY
  #isEmptied = false
  hasAnswer = false

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs
  }

  isOver(askedAt: number, answeringSince: number | undefined): boolean {
    if (answeringSince === undefined) return false
    return askedAt >= Math.max(this.#until, answeringSince + this.#ttlMs)
  }

  note(answer: unknown, askedAt: number): void {
    this.hasAnswer ||= answer !== undefined
    if (typeof answer === 'number') this.#until = askedAt + answer
    // It should still be there: Redis was emptied. That counts once, or nobody would ever take it.
    if (answer === 'absent' && askedAt < this.#until && !this.#isEmptied) this.#until = askedAt + this.#ttlMs
    this.#isEmptied = answer === 'absent'
  }
}

function waitOf(answer: unknown): LeaseWait {
  if (answer === undefined) return 'redis'
  return answer === 'absent' ? 'return' : 'holder'
}

interface KeptLease {
  readonly lost: AbortSignal
  readonly isConfirmed: boolean
  readonly stands: () => boolean
  stop(): void
}

/**
 * While Redis is away it is still asked every time, and so the lease stands: nobody takes over
 * meanwhile [B4]. What ends it by the clock is only that nobody here has asked.
 */
function keepLease(
  hold: Hold,
  { isConfirmed, askedAt }: Taken,
  { shared, ttlMs, renewMs, elapsed }: Pick<LeaseOptions, 'shared' | 'ttlMs' | 'renewMs' | 'elapsed'>,
): KeptLease {
  const lost = new AbortController()
  let standsUntil = askedAt + ttlMs
  const stands = (): boolean => {
    if (elapsed() >= standsUntil) lost.abort()
    return !lost.signal.aborted
  }
  const kept = { lost: lost.signal, isConfirmed, stands, stop: () => {} }
  const renew = (): void => {
    if (!stands()) return
    const asked = elapsed()
    void hold(true).then((answer) => {
      if (answer === 'held') kept.isConfirmed = true
      if (typeof answer === 'number') lost.abort()
      standsUntil = Math.max(standsUntil, asked + ttlMs)
    })
  }
  const renewal = setInterval(renew, renewMs)
  const forgetBack = shared.onBack(renew)
  kept.stop = () => {
    clearInterval(renewal)
    forgetBack()
  }
  lost.signal.addEventListener('abort', kept.stop)
  return kept
}
