import { sleep } from '../../../streams/platform/backoff.ts'
import { onAbort } from '../../wait.ts'
import { createLocalWindow } from './local-window.ts'
import { HORIZON_MS, localPermits, type Permits, type PermitSource } from './permits.ts'
import { Rate } from './rate.ts'

export interface ThrottleOptions {
  readonly permits: PermitSource
  /** Monotonic, in ms. */
  readonly now: () => number
  /**
   * Called whenever the source of permits is known. True while this process limits itself alone
   * [TP7].
   */
  readonly onFallback: (active: boolean) => void
  /** A PDU had to wait for its turn. */
  readonly onDelayed: () => void
}

/** Above one: a peer with a clock of its own must not count one PDU too many in its second. */
const MARGIN = 1.01
/** The next permits are asked for when those at hand last no longer than this. */
const REFILL_MS = HORIZON_MS / 2
/** A permit that nobody has used for so long lapses: together they would make a burst. */
const STALE_MS = 25
/** With a rate below one a second the next permit is far away, and the rate may rise before it. */
const ASK_AGAIN_MS = 1_000
/** A timer cannot be set more finely. */
const TIMER_MS = 1
/** Shorter waits are those for Redis. */
const DELAYED_MS = 5

interface Waiter {
  readonly since: number
  readonly settle: (isPermitted: boolean) => void
}

/**
 * Throughput limit of one operator, shared by all processes [TP4] and paced [TP1]: permits are
 * spread over the second, and a PDU waits here for its own [TP2].
 *
 * Redis is asked for some permits ahead, not for each: tens of times a second. What has been asked
 * for in vain lapses, so a batch follows the demand of the last moments.
 */
export class Throttle {
  readonly #options: ThrottleOptions
  readonly #departed
  readonly #rate: Rate
  readonly #localPermits
  /** When permits at hand are due, in order. */
  readonly #permits: number[] = []
  /** Bounded by the commands in work. */
  readonly #waiting = new Set<Waiter>()
  readonly #demand: Demand
  #limit = 1
  #isAsking = false
  #askAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(options: ThrottleOptions) {
    this.#options = options
    this.#departed = createLocalWindow(options.now)
    this.#rate = new Rate(options.now)
    this.#localPermits = localPermits(options.now)
    this.#demand = new Demand(options.now)
  }

  /** Departures of this process in the last 1000 ms. */
  get used(): number {
    return this.#departed.used
  }

  /** The part of the limit that the operator's refusals have left, 0 to 1 [TP3]. */
  get part(): number {
    return this.#rate.part
  }

  /** No PDU waits for a permit. */
  get isFree(): boolean {
    return this.#waiting.size === 0
  }

  /** Resolves to true when it is a PDU's turn; false when `signal` aborts first. */
  take(limit: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false)
    this.#limit = limit
    this.#demand.note()
    if (this.#waiting.size === 0) this.#dropStale()
    return new Promise((resolve) => {
      const settle = (isPermitted: boolean): void => {
        forget()
        this.#waiting.delete(waiter)
        resolve(isPermitted)
      }
      const forget = onAbort(signal, () => settle(false))
      const waiter = { since: this.#options.now(), settle }
      this.#waiting.add(waiter)
      this.#go()
    })
  }

  /** Directly before the PDU leaves: hardly ever a wait. */
  async depart(limit: number): Promise<void> {
    for (let waitMs = this.#departed.take(limit); waitMs > 0; waitMs = this.#departed.take(limit))
      await sleep(Math.ceil(waitMs))
  }

  accepted(recipient: string): void {
    this.#rate.accepted(recipient)
  }

  /** True when the refusal is about the recipient and not about the rate. */
  refused(sentAt: number, recipient: string): boolean {
    return this.#rate.refused(sentAt, recipient)
  }

  #go(): void {
    const now = this.#options.now()
    for (const waiter of this.#waiting) {
      const dueAt = this.#permits[0]
      if (dueAt === undefined || dueAt > now + TIMER_MS) break
      this.#permits.shift()
      if (now - waiter.since > DELAYED_MS) this.#options.onDelayed()
      waiter.settle(true)
    }
    const missing = this.#waiting.size - this.#permits.length
    const refillAt = missing > 0 ? Math.max(this.#askAt, (this.#permits.at(-1) ?? now) - REFILL_MS) : Infinity
    if (refillAt <= now && !this.#isAsking) void this.#refill(missing)
    this.#wake(Math.min(this.#waiting.size > 0 ? (this.#permits[0] ?? Infinity) : Infinity, refillAt), now)
  }

  #wake(at: number, now: number): void {
    clearTimeout(this.#timer)
    // While Redis is asked, its answer goes on from here.
    const isLater = at > now && at !== Infinity
    this.#timer = isLater ? setTimeout(() => this.#go(), Math.max(TIMER_MS, at - now)) : undefined
  }

  async #refill(missing: number): Promise<void> {
    this.#isAsking = true
    const spacingMs = (1_000 * MARGIN) / (this.#limit * this.#rate.part)
    const wanted = missing + this.#demand.recent
    const shared = await this.#options.permits.ask(this.#limit, wanted, spacingMs)
    this.#options.onFallback(shared === undefined)
    this.#keep(shared ?? this.#localPermits(wanted, spacingMs), spacingMs)
    this.#isAsking = false
    this.#go()
  }

  #keep({ count, inMs }: Permits, spacingMs: number): void {
    const now = this.#options.now()
    for (let at = 0; at < count; at += 1) this.#permits.push(now + inMs + at * spacingMs)
    this.#askAt = count === 0 ? now + Math.min(inMs, ASK_AGAIN_MS) : now
  }

  #dropStale(): void {
    const end = this.#options.now() - STALE_MS
    while ((this.#permits[0] ?? Infinity) < end) this.#permits.shift()
  }
}

/** How many permits were wanted in the last moments. */
class Demand {
  readonly #now: () => number
  #since: number
  #count = 0
  #before = 0

  constructor(now: () => number) {
    this.#now = now
    this.#since = now()
  }

  get recent(): number {
    this.#turn()
    return this.#before
  }

  note(): void {
    this.#turn()
    this.#count += 1
  }

  #turn(): void {
    const elapsed = this.#now() - this.#since
    if (elapsed < HORIZON_MS) return
    this.#before = elapsed < 2 * HORIZON_MS ? this.#count : 0
    this.#count = 0
    this.#since = this.#now()
  }
}
