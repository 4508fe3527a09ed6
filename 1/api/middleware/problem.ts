import type { Logger } from '../../streams/platform/logger.ts'
import { codeOf } from '../postgres.ts'
import { DependencyUnavailable, Problem, problemBody, type ProblemCode } from '../problem.ts'
import type { ApiContext } from '../state.ts'

/**
 * A failover of the database takes longer than a moment of too much work, and a client still waits
 * [ER19], [ER20].
 */
const RETRY_AFTER_SECONDS: Readonly<Partial<Record<ProblemCode, number>>> = {
  DEPENDENCY_UNAVAILABLE: 5,
  OVERLOADED: 1,
}

/**
 * Answers everything that ends a request early as application/problem+json [ER1], and so also
 * unknown paths and methods, which no route answers. Only defects are logged as errors. What a
 * client did wrong is counted, not logged.
 */
export const problems =
  (logger: Logger) =>
  async (ctx: ApiContext, next: () => Promise<void>): Promise<void> => {
    try {
      await next()
      if (ctx.body === undefined || ctx.body === null) unanswered(ctx)
    } catch (error) {
      answer(ctx, asProblem(error, ctx, logger))
    }
  }

function unanswered(ctx: ApiContext): void {
  if (ctx.status === 404) return answer(ctx, new Problem('NOT_FOUND'))
  // The router answers 501 for a method that it does not know at all.
  if (ctx.status === 405 || ctx.status === 501) answer(ctx, new Problem('METHOD_NOT_ALLOWED'))
}

function asProblem(error: unknown, ctx: ApiContext, logger: Logger): Problem {
  if (error instanceof Problem) return error
  const { requestId } = ctx.state
  if (error instanceof DependencyUnavailable) {
    logger.warn('api.dependency_unavailable', { requestId, reason: error.dependency })
    return new Problem('DEPENDENCY_UNAVAILABLE')
  }
  // Its name and, of Postgres, its SQLSTATE: the text of a foreign error may quote values.
  const reason = error instanceof Error ? error.name : typeof error
  logger.error('api.defect', { requestId, reason, code: codeOf(error) })
  return new Problem('INTERNAL')
}

function answer(ctx: ApiContext, problem: Problem): void {
  ctx.status = problem.status
  ctx.body = problemBody(problem, ctx.state.requestId)
  ctx.type = 'application/problem+json'
  if (problem.code === 'UNAUTHENTICATED') ctx.set('WWW-Authenticate', 'Bearer')
  const retryAfterSeconds = RETRY_AFTER_SECONDS[problem.code]
  if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(retryAfterSeconds))
  // The rest of an oversized body is not worth reading, so the connection cannot be used again.
  if (problem.code === 'REQUEST_TOO_LARGE') ctx.set('Connection', 'close')
}
