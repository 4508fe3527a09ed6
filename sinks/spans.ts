import { trace, type Link } from '@opentelemetry/api'
import { statusEvents } from '../streams/contracts/outbound.ts'
import { headerText, type LogRecord } from '../streams/log/port.ts'
import { contextFrom, inSpan } from '../streams/platform/tracing.ts'
import type { Batch } from '../streams/runtime/consume.ts'

/** Enough to find the batch from any of its messages in practice, without a span of a megabyte. */
const LINKS_MAX = 64

/**
 * `sink.write` [TR3], one span a batch, linked to the spans that made its records. That of the
 * status of messages is the last stage of their pipeline [TR2].
 */
export function inWriteSpan(sink: string, batch: Batch, work: () => Promise<void>): Promise<void> {
  const settings = { attributes: attributesOf(sink, batch), links: linksOf(batch.records) }
  const isStage = batch.topic === statusEvents.name
  return inSpan('sinks', 'sink.write', settings, () =>
    isStage ? inSpan('sinks', 'orch.pipeline.persist', { links: settings.links }, work) : work(),
  )
}

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
