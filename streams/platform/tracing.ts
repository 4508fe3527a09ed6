import {
  context,
  propagation,
  SpanStatusCode,
  trace,
  type Context,
  type SpanOptions,
  type TextMapGetter,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { core, NodeSDK } from '@opentelemetry/sdk-node'

/**
 * Spans leave only when an endpoint is configured; without one the API's no-op tracer costs next to
 * nothing. Nothing but spans leaves. Left unsaid, the SDK would export metrics and logs as well. It
 * would also pass on the `baggage` header, which clients fill.
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

/** W3C trace context travels in these headers through HTTP, NATS, the log and the outbox [TR4]. */
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

export interface ToldSpan {
  readonly startMs: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly parent: Context
}

/** A span of what has happened already: what stands within it, and how to end it. */
export function tellSpan(
  tracer: string,
  name: string,
  { startMs, attributes, parent }: ToldSpan,
): { readonly within: Context; end(atMs: number): void } {
  const span = trace.getTracer(tracer).startSpan(name, { startTime: startMs, attributes }, parent)
  return { within: trace.setSpan(parent, span), end: (atMs) => span.end(Math.max(startMs, atMs)) }
}

export interface SpanSettings extends SpanOptions {
  /** Default: the span that is active now. */
  readonly parent?: Context
}

/**
 * Runs `work` in a span that is active while it runs, and notes on it what `work` rejects with, by
 * name only. Without an endpoint it costs next to nothing. Attributes must hold ids only.
 */
export function inSpan<T>(
  tracer: string,
  name: string,
  { parent = context.active(), ...settings }: SpanSettings,
  work: () => Promise<T>,
): Promise<T> {
  return trace.getTracer(tracer).startActiveSpan(name, settings, parent, async (span) => {
    try {
      return await work()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR })
      span.setAttribute('error.type', error instanceof Error ? error.name : typeof error)
      throw error
    } finally {
      span.end()
    }
  })
}
