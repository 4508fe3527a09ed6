import { contextFrom, inSpan, TRACE_HEADERS, traceHeaders } from '../streams/platform/tracing.ts'
import type { TraceHeaders } from './publisher.ts'

interface Subject {
  readonly operatorId: string
  readonly messageId?: string
  readonly tenantId?: string
  readonly accountId?: string
}

/** Runs `work` in a span [TR3] that continues the trace of the headers. */
export function withinSpan<T>(
  name: 'smpp.submit_sm' | 'smpp.deliver_sm',
  about: Subject,
  headers: TraceHeaders,
  work: (headers: TraceHeaders) => Promise<T>,
): Promise<T> {
  const attributes = {
    'sms.operator_id': about.operatorId,
    ...(about.messageId !== undefined && { 'sms.message_id': about.messageId }),
    ...(about.tenantId !== undefined && { 'sms.tenant_id': about.tenantId }),
    ...(about.accountId !== undefined && { 'sms.account_id': about.accountId }),
  }
  return inSpan('smpp-gateway', name, { attributes, parent: contextFrom(headers) }, () =>
    work({ ...headers, ...traceHeaders() }),
  )
}

interface Incoming {
  get(name: string): string
  keys(): string[]
}

/**
 * The trace context of a NATS message [TR4], passed on as it came even when this process records no
 * spans.
 */
export function traceOf(incoming: Incoming | undefined): TraceHeaders {
  const found: Record<string, string> = {}
  if (incoming === undefined) return found
  const wanted: readonly string[] = TRACE_HEADERS
  for (const key of incoming.keys()) {
    if (wanted.includes(key.toLowerCase())) found[key.toLowerCase()] = incoming.get(key)
  }
  return found
}
