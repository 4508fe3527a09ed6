import { sleep, type Sleep } from '../platform/backoff.ts'

/** Time as the runtime may use it; the simulator brings its own. */
export interface Clock {
  readonly now: () => number
  /** Milliseconds by a clock that nobody sets; absent: that of `now` is never set. */
  readonly elapsed?: () => number
  readonly sleep: Sleep
}

export const systemClock: Clock = { now: () => Date.now(), elapsed: () => performance.now(), sleep }
