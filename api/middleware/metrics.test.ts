import { expect, test } from 'vitest'
import { fakeApp, nowMs, reply } from '../testing/fake-app.suite.ts'

test('ORC-8.3 a wall clock that is set back while a submit is handled does not touch its latency', async () => {
  let wallMs = nowMs
  let monotonicMs = 1_000
  const app = await fakeApp({
    outcome: async () => {
      wallMs -= 3_600_000
      monotonicMs += 40
      return { kind: 'accepted', reply }
    },
    app: { now: () => wallMs, monotonicMs: () => monotonicMs },
  })
  await app.send({ to: '+447700900123', from: 'GHASI', body: 'Your code is 4711' })
  const text = await app.metrics.registry.metrics()
  await app.close()
  expect(text).toContain('orch_submit_latency_seconds_bucket{le="0.05"} 1')
  expect(text).toContain('orch_submit_latency_seconds_bucket{le="0.025"} 0')
})
