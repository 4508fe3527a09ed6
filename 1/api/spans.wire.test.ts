import { NodeSDK, tracing } from '@opentelemetry/sdk-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SubmitReply } from './submit/idempotency.ts'
import { accountId, goodBody, startRealApi, tenantId, type RealApi } from './testing/real-api.suite.ts'

const exporter = new tracing.InMemorySpanExporter()
const sdk = new NodeSDK({
  serviceName: 'api',
  autoDetectResources: false,
  spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
})

let api: RealApi
beforeAll(async () => {
  sdk.start()
  api = await startRealApi()
})
afterAll(async () => {
  await api.close()
  await sdk.shutdown()
})

test('ORC-8.1 a submit is one trace, joined to the caller, handed on to NATS, with ids and no personal data', async () => {
  exporter.reset()
  const caller = '0af7651916cd43dd8448eb211c80319c'
  const answer = await api.send(goodBody, {
    traceparent: `00-${caller}-b7ad6b7169203331-01`,
    'Idempotency-Key': 'traced',
  })
  const { messageId } = SubmitReply.parse(answer.json)
  const spans = exporter.getFinishedSpans()
  const submit = spans.find((span) => span.name === 'orch.http.submit')
  if (submit === undefined) throw new Error('no span of the submit')
  const { traceId, spanId } = submit.spanContext()
  expect(traceId).toBe(caller)
  const children = spans.filter((span) => span.parentSpanContext?.spanId === spanId)
  expect(children.map((span) => span.name).toSorted()).toEqual([
    'orch.idempotency.check',
    'orch.nats.publish',
    'orch.pg.insert',
    'orch.validate',
  ])
  const insert = children.find((span) => span.name === 'orch.pg.insert')
  expect(insert?.attributes).toEqual({
    'sms.message_id': messageId,
    'sms.tenant_id': tenantId,
    'sms.account_id': accountId,
  })
  const [published] = await api.published()
  expect(published?.headers['traceparent']).toBe(`00-${caller}-${spanId}-01`)
  expect(api.logged.find((line) => line.includes('orch.submitted'))).toContain(`"traceId":"${caller}"`)
  expect(JSON.stringify(spans.map((span) => [span.attributes, span.name]))).not.toContain('7700900123')
})
