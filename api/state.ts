import type { ParameterizedContext } from 'koa'
import type { Router, RouterContext, RouterMiddleware } from '@koa/router'
import type { Identity } from './middleware/token.ts'

/** What middleware leaves for the handlers behind it. */
export interface ApiState {
  /** A uuid; set by middleware/trace.ts. */
  requestId: string
  /** W3C trace context to hand on; set by middleware/trace.ts. */
  trace: Readonly<Record<string, string>>
  /** Set by middleware/identity.ts. */
  identity?: Identity
  /** Who it is, for the audit; set by middleware/administrator.ts. */
  administrator?: string
  /** Parsed JSON of the request; set by middleware/body.ts. */
  json?: unknown
}

export type ApiContext = ParameterizedContext<ApiState>
export type ApiRouteContext = RouterContext<ApiState>
export type ApiMiddleware = RouterMiddleware<ApiState>
export type ApiRouter = Router<ApiState>

export function identityOf(ctx: ApiContext): Identity {
  if (ctx.state.identity === undefined)
    throw new Error('the route lacks the identity middleware: nobody may be served unidentified')
  return ctx.state.identity
}
