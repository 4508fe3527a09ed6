/**
 * Waits between tries of a transient fault: doubling from `firstMs` to `maxMs`, with ± `jitter`
 * (0..1) of randomness.
 */
export interface BackoffOptions {
  readonly firstMs: number
  readonly maxMs: number
  readonly jitter: number
  readonly random: () => number
}

/** `attempt` counts from 1. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const plainMs = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(plainMs * (1 + options.jitter * (2 * options.random() - 1)))
}

export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>

/**
 * Reason of an abort that only ends a sleep. Without one, each makes a DOMException with its stack,
 * which costs more than all the rest of a sleep.
 */
export const NO_LONGER = 'no longer waited for'

/**
 * Resolves early, without an error, when `signal` aborts: the caller looks at the signal anyway.
 */
export const sleep: Sleep = (ms, signal) =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
