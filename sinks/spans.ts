import { SpanStatusCode, trace, type Link } from '@opentelemetry/api'
import { headerText, type LogRecord } from '../streams/log/port.ts'
import { contextFrom } from '../streams/platform/tracing.ts'
import type { Batch } from '../streams/runtime/consume.ts'

/** Enough to find the batch from any of its messages in practice, without a span of a megabyte. */
const LINKS_MAX = 64

/** `sink.write`, one span a batch, linked to whoever made its records (spec operations.md section 3). */
export const inSpan = (sink: string, batch: Batch, work: () => Promise<void>): Promise<void> =>
  trace
    .getTracer('sinks')
    .startActiveSpan(
      'sink.write',
      { attributes: attributesOf(sink, batch), links: linksOf(batch.records) },
      async (span) => {
        try {
          await work()
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR })
          span.setAttribute('error.type', error instanceof Error ? error.name : typeof error)
          throw error
        } finally {
          span.end()
        }
      },
    )

const attributesOf = (sink: string, { topic, records }: Batch) => ({
  'sms.sink': sink,
  'messaging.destination.name': topic,
  'messaging.batch.message_count': records.length,
})

function linksOf(records: readonly LogRecord[]): Link[] {
  const links: Link[] = []
  for (const { headers } of records) {
    const traceparent = headerText(headers, 'traceparent')
    if (traceparent === undefined) continue
    const context = trace.getSpanContext(
      contextFrom({ traceparent, tracestate: headerText(headers, 'tracestate') }),
    )
    if (context !== undefined) links.push({ context })
    if (links.length === LINKS_MAX) break
  }
  return links
}
