import { context, SpanKind } from '@opentelemetry/api'
import { contextFrom, inSpan, TRACE_HEADERS, traceHeaders } from '../../streams/platform/tracing.ts'
import type { ApiContext, ApiMiddleware } from '../state.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/**
 * Gives every request a request id and a trace context: Kong's, else new ones [ID4]. The trace
 * context goes on to NATS even when this process exports no spans, so that the services behind it
 * can still join their spans.
 */
export const traced =
  (newId: () => string) =>
  async (ctx: ApiContext, next: () => Promise<void>): Promise<void> => {
    // Kong appends a counter to its uuid; anything else is replaced, because it goes to the log
    // unmasked.
    ctx.state.requestId = UUID.exec(ctx.get('X-Request-Id'))?.[0].toLowerCase() ?? newId()
    const given = givenTrace(ctx)
    ctx.state.trace = given ?? { traceparent: newTraceparent(newId) }
    await context.with(contextFrom(given ?? {}), next)
  }

function givenTrace(ctx: ApiContext): Readonly<Record<string, string>> | undefined {
  if (!TRACEPARENT.test(ctx.get('traceparent'))) return undefined
  const headers = TRACE_HEADERS.map((name) => [name, ctx.get(name)] as const)
  return Object.fromEntries(headers.filter(([, value]) => value !== ''))
}

const newTraceparent = (newId: () => string): string =>
  `00-${newId().replaceAll('-', '')}-${newId().replaceAll('-', '').slice(0, 16)}-01`

/**
 * A server span around the rest of the route; what it starts is handed on instead of the caller's
 * context.
 */
export const spanned =
  (name: string): ApiMiddleware =>
  (ctx, next) =>
    inSpan('api', name, { kind: SpanKind.SERVER }, async () => {
      const own = traceHeaders()
      if (own['traceparent'] !== undefined) ctx.state.trace = own
      await next()
    })
