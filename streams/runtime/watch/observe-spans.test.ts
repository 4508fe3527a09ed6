import { context, propagation, trace } from '@opentelemetry/api'
import { core, NodeSDK, tracing } from '@opentelemetry/sdk-node'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Note } from '../../dsl/topology.ts'
import { observeSpans } from './observe-spans.ts'

const exporter = new tracing.InMemorySpanExporter()
const sdk = new NodeSDK({
  spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
  textMapPropagator: new core.W3CTraceContextPropagator(),
  metricReaders: [],
  logRecordProcessors: [],
  autoDetectResources: false,
})
beforeAll(() => sdk.start())
beforeEach(() => exporter.reset())
// Pure tests share a process: the next file must find no tracer.
afterAll(async () => {
  await sdk.shutdown()
  trace.disable()
  context.disable()
  propagation.disable()
})

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN_ID = '00f067aa0ba902b7'
const sampled = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01` }
const NOW_MS = 1_700_000_000_500
const AT_MS = NOW_MS - 200

const RULES = {
  stage: { span: { name: 'pipeline.{stage}', within: 'pipeline.total' } },
  taken: { span: { name: 'aggregate' } },
  counted: {},
}
const note = (event: string, fields = {}, rest: Partial<Note> = {}): Note => ({
  event,
  fields,
  at: AT_MS,
  replayed: false,
  trace: sampled,
  ...rest,
})

function spansOf(notes: readonly Note[]) {
  observeSpans(RULES, () => NOW_MS)({ topology: 't', partition: 0 }, notes)
  return exporter.getFinishedSpans()
}

describe('[TR2] [TR3] the spans of a topology', () => {
  it('last from the record to the commit, in the trace of what caused them', () => {
    const [span] = spansOf([note('taken', { messageId: 'm', operatorId: 'o', attempt: 2 })])
    expect(span?.name).toBe('aggregate')
    expect(span?.spanContext().traceId).toBe(TRACE_ID)
    expect(span?.parentSpanContext?.spanId).toBe(SPAN_ID)
    expect(span?.duration).toEqual([0, 200_000_000])
    expect(span?.attributes).toEqual({ 'sms.message_id': 'm', 'sms.operator_id': 'o', 'sms.attempt': 2 })
  })

  it('of one attempt of a message stand within one span, those of another in another', () => {
    const spans = spansOf([
      note('stage', { stage: 'validate', messageId: 'a' }),
      note('stage', { stage: 'route', messageId: 'a', error: 'no_route' }),
      note('stage', { stage: 'route', messageId: 'b' }),
    ])
    const parentOf = (name: string, messageId: string) =>
      spans.find((span) => span.name === name && span.attributes['sms.message_id'] === messageId)
        ?.parentSpanContext?.spanId
    const wholes = spans.filter(({ name }) => name === 'pipeline.total')
    const idOf = (messageId: string) =>
      wholes.find(({ attributes }) => attributes['sms.message_id'] === messageId)?.spanContext().spanId
    expect(wholes).toHaveLength(2)
    expect(parentOf('pipeline.validate', 'a')).toBe(idOf('a'))
    expect(parentOf('pipeline.route', 'a')).toBe(idOf('a'))
    expect(parentOf('pipeline.route', 'b')).toBe(idOf('b'))
    expect(spans.find(({ attributes }) => attributes['error.type'] === 'no_route')?.name).toBe(
      'pipeline.route',
    )
  })

  it('are not made for what nobody records, what has no trace, and what is read again', () => {
    const unsampled = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-00` }
    const notes = [
      note('taken', {}, { trace: unsampled }),
      note('taken', {}, { trace: undefined }),
      note('taken', {}, { replayed: true }),
      note('counted'),
    ]
    expect(spansOf(notes)).toEqual([])
  })
})
