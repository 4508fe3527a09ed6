import { context, propagation, type Context, type TextMapGetter } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { core, NodeSDK } from '@opentelemetry/sdk-node'

/**
 * Spans leave only when an endpoint is configured; without one the API's no-op tracer costs next to nothing. Nothing but spans
 * leaves: left unsaid, the SDK would export metrics and logs as well, and pass on the `baggage` header, which clients fill.
 */
export function startTracing(service: string, endpoint: string | undefined): { close(): Promise<void> } {
  if (endpoint === undefined) return { close: () => Promise.resolve() }
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` })
  const sdk = new NodeSDK({
    serviceName: service,
    traceExporter: exporter,
    metricReaders: [],
    logRecordProcessors: [],
    textMapPropagator: new core.W3CTraceContextPropagator(),
  })
  sdk.start()
  return { close: () => sdk.shutdown() }
}

/** W3C trace context travels in these headers through HTTP, NATS, the log and the outbox (spec operations.md §3). */
export const TRACE_HEADERS = ['traceparent', 'tracestate'] as const

const getter: TextMapGetter<Readonly<Record<string, string | undefined>>> = {
  keys: (carrier) => Object.keys(carrier),
  get: (carrier, key) => carrier[key],
}

export const contextFrom = (headers: Readonly<Record<string, string | undefined>>): Context =>
  propagation.extract(context.active(), headers, getter)

export function traceHeaders(from: Context = context.active()): Record<string, string> {
  const carrier: Record<string, string> = {}
  propagation.inject(from, carrier)
  return carrier
}
