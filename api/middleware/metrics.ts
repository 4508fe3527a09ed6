import type { Instruments } from '../instruments.ts'
import { DependencyUnavailable, Problem } from '../problem.ts'
import type { ApiMiddleware } from '../state.ts'

/** Counts what a route answers; `route` is a fixed word, never a path with an id in it. */
export const counted =
  (instruments: Instruments, route: string): ApiMiddleware =>
  async (ctx, next) => {
    let status = 500
    try {
      await next()
      status = ctx.status
    } catch (error) {
      status = statusOf(error)
      throw error
    } finally {
      instruments.responses.inc({ route, status: String(status) })
    }
  }

/**
 * Measures submits: how many are in flight, their latency up to the 202, and how many were refused
 * (4xx). Accepted and replayed messages are counted where that is decided, in submit/submit.ts.
 * What failed on our side is neither: see the route's answers by status.
 */
export const submitMeasured =
  (instruments: Instruments, monotonicMs: () => number): ApiMiddleware =>
  async (_ctx, next) => {
    const startMs = monotonicMs()
    instruments.submitsInFlight.inc()
    try {
      await next()
      instruments.submitSeconds.observe((monotonicMs() - startMs) / 1000)
    } catch (error) {
      if (statusOf(error) < 500) instruments.submits.inc({ result: 'rejected' })
      throw error
    } finally {
      instruments.submitsInFlight.dec()
    }
  }

function statusOf(error: unknown): number {
  if (error instanceof Problem) return error.status
  return error instanceof DependencyUnavailable ? 503 : 500
}
