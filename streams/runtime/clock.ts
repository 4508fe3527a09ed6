import { sleep, type Sleep } from '../platform/backoff.ts'

/** Time as the runtime may use it; the simulator brings its own. */
export interface Clock {
  readonly now: () => number
  readonly sleep: Sleep
}

export const systemClock: Clock = { now: () => Date.now(), sleep }
