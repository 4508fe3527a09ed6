import { trace } from '@opentelemetry/api'
import { headerText, type Headers } from '../../streams/log/port.ts'
import { contextFrom } from '../../streams/platform/tracing.ts'

const tracer = trace.getTracer('bridges')

/**
 * The span `bridge.mirror` of one record, a child of the span that made the record [TR3]. The
 * record's own trace headers travel on unchanged. Returns how to end it. A record without a trace
 * has no span.
 */
export function mirrorSpan(headers: Headers, subject: string): () => void {
  const traceparent = headerText(headers, 'traceparent')
  if (traceparent === undefined) return () => {}
  const parent = contextFrom({ traceparent, tracestate: headerText(headers, 'tracestate') })
  const attributes = { 'messaging.destination.name': subject }
  const span = tracer.startSpan('bridge.mirror', { attributes }, parent)
  return () => span.end()
}
