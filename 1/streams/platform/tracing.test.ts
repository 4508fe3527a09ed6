import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, propagation, trace } from '@opentelemetry/api'
import { afterEach, describe, expect, it } from 'vitest'
import { contextFrom, startTracing, traceHeaders } from './tracing.ts'

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

// Pure tests share a process: the next file must find no tracer.
afterEach(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})

/** A collector that only notes what it is sent. */
async function collector() {
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(request.url ?? '')
    request.resume()
    request.on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  return { endpoint: `http://127.0.0.1:${address.port}/`, paths, close }
}

describe('tracing', () => {
  it('sends spans to the endpoint, and nothing else, before it is closed', async () => {
    const { endpoint, paths, close } = await collector()
    const tracing = startTracing('sinks', endpoint)
    trace.getTracer('test').startSpan('sink.write').end()
    await tracing.close()
    await close()
    expect(paths).toEqual(['/v1/traces'])
  })

  it('carries the context of a caller on, without the baggage that a client may fill', async () => {
    const { endpoint, close } = await collector()
    const tracing = startTracing('sinks', endpoint)
    const from = contextFrom({ traceparent: TRACEPARENT, tracestate: 'a=b', baggage: 'to=447700900123' })
    expect(trace.getSpanContext(from)?.traceId).toBe('0af7651916cd43dd8448eb211c80319c')
    expect(traceHeaders(from)).toEqual({ traceparent: TRACEPARENT, tracestate: 'a=b' })
    await tracing.close()
    await close()
  })

  it('without an endpoint does nothing', async () => {
    const tracing = startTracing('sinks', undefined)
    expect(trace.getTracer('test').startSpan('sink.write').isRecording()).toBe(false)
    expect(traceHeaders()).toEqual({})
    await expect(tracing.close()).resolves.toBeUndefined()
  })
})
