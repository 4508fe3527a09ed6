import { request } from 'node:http'
import type { Gauge } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { Metrics } from './metrics.ts'
import {
  type OperationsOptions,
  type OperationsServer,
  type Readiness,
  send,
  serveOperations,
} from './operations-server.ts'

interface Reply {
  readonly status: number
  readonly type: string | undefined
  readonly body: string
}

const open: OperationsServer[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()))
})

const READY: Readiness = { ready: true, details: { log: 'ok' } }

async function serve(options: Partial<OperationsOptions> = {}): Promise<OperationsServer> {
  const given = { host: '127.0.0.1', port: 0, metrics: new Metrics(), ready: () => READY, ...options }
  const server = await serveOperations(given)
  open.push(server)
  return server
}

const get = (server: OperationsServer, path: string): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port: server.port, path, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => (body += text))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], body }),
      )
    })
    call.on('error', reject)
    call.end()
  })

describe('[H9] liveness', () => {
  it.each(['/health/live', '/health', '/health?probe=1'])('%s says ok, ready or not', async (path) => {
    const server = await serve({ ready: () => ({ ready: false, details: {} }) })
    const reply = await get(server, path)
    expect(reply).toEqual({ status: 200, type: 'application/json', body: '{"status":"ok"}' })
  })
})

const live = () => ({ ready: false, details: { 'segments.3': 'stuck' } })

describe('what only a new start can help', () => {
  it.each(['/health/live', '/health'])('[H9] %s is 503 and says what it is', async (path) => {
    const reply = await get(await serve({ live }), path)
    expect(reply.status).toBe(503)
    expect(JSON.parse(reply.body)).toEqual({ status: 'error', details: { 'segments.3': 'stuck' } })
  })

  it('[H10] is not ready either, and keeps its own details', async () => {
    const reply = await get(await serve({ live }), '/ready')
    expect(reply.status).toBe(503)
    expect(JSON.parse(reply.body)).toEqual({
      status: 'error',
      details: { log: 'ok', 'segments.3': 'stuck' },
    })
  })
})

describe('[H10] readiness', () => {
  it.each(['/health/ready', '/ready'])('%s is 200 with details while the process can work', async (path) => {
    const reply = await get(await serve(), path)
    expect(reply.status).toBe(200)
    expect(JSON.parse(reply.body)).toEqual({ status: 'ok', details: { log: 'ok' } })
  })

  it.each(['/health/ready', '/ready'])('%s is 503 and says why while it cannot', async (path) => {
    const details = { nats: 'disconnected', log: 'ok' }
    const reply = await get(await serve({ ready: () => Promise.resolve({ ready: false, details }) }), path)
    expect(reply.status).toBe(503)
    expect(reply.type).toBe('application/json')
    expect(JSON.parse(reply.body)).toEqual({ status: 'error', details })
  })

  it('is asked anew every time', async () => {
    let ready = false
    const server = await serve({ ready: () => ({ ready, details: {} }) })
    expect((await get(server, '/ready')).status).toBe(503)
    ready = true
    expect((await get(server, '/ready')).status).toBe(200)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no connection to +447700900123')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no connection to +447700900123'))],
  ])('is 500 without the reason when the question itself %s', async (_, ready) => {
    const server = await serve({ ready })
    expect(await get(server, '/ready')).toEqual({
      status: 500,
      type: 'application/json',
      body: '{"status":"error"}',
    })
    expect((await get(server, '/health')).status).toBe(200)
  })
})

describe('[H11] DLR-010.2 metrics', () => {
  it('are Prometheus text under its content type', async () => {
    const metrics = new Metrics()
    metrics
      .counter('dlr_dedup_total', 'Receipts dropped by fingerprint', ['operator_id'])
      .inc({ operator_id: 'a' }, 2)
    metrics.gauge('dlr_orphan_rate', 'Percent').set(0.5)
    const reply = await get(await serve({ metrics }), '/metrics')

    expect(reply.status).toBe(200)
    expect(reply.type).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(reply.body).toContain('# TYPE dlr_dedup_total counter\ndlr_dedup_total{operator_id="a"} 2\n')
    expect(reply.body).toContain('dlr_orphan_rate 0.5\n')
  })

  it('are collected when they are read', async () => {
    const metrics = new Metrics()
    let waiting = 0
    const gauge: Gauge = metrics.gauge('orch_outbox_pending', 'Rows', [], () => gauge.set(waiting))
    const server = await serve({ metrics })
    waiting = 3
    expect((await get(server, '/metrics')).body).toContain('orch_outbox_pending 3\n')
  })

  it('are 500 when one of them cannot be collected', async () => {
    const metrics = new Metrics()
    metrics.gauge('broken', 'Never there', [], () => {
      throw new Error('no figure')
    })
    expect(await get(await serve({ metrics }), '/metrics')).toMatchObject({
      status: 500,
      body: '{"status":"error"}',
    })
  })

  it('of the process itself are there on request', async () => {
    const reply = await get(await serve({ metrics: new Metrics().withProcessMetrics() }), '/metrics')
    expect(reply.body).toContain('nodejs_eventloop_lag_seconds')
  })
})

describe('any other path', () => {
  it.each(['/', '/health/other', '/metrics/', '/sessions'])('%s is 404', async (path) => {
    expect((await get(await serve(), path)).status).toBe(404)
  })

  it('goes to the process first, and is 404 when that does not know it either', async () => {
    const server = await serve({
      route: (incoming, response) => {
        if (incoming.url !== '/sessions') return Promise.resolve(false)
        send(response, 200, { sessions: [] })
        return Promise.resolve(true)
      },
    })
    expect(await get(server, '/sessions')).toMatchObject({ status: 200, body: '{"sessions":[]}' })
    expect((await get(server, '/other')).status).toBe(404)
  })

  it('that breaks off half-way ends the answer, and the server goes on', async () => {
    const server = await serve({
      route: (_, response) => {
        response.writeHead(200)
        response.write('half')
        return Promise.reject(new Error('broke off'))
      },
    })
    await expect(get(server, '/sessions')).rejects.toThrow('aborted')
    expect((await get(server, '/health')).status).toBe(200)
  })
})

describe('the server', () => {
  it('refuses a port that is taken', async () => {
    const { port } = await serve()
    await expect(serve({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('closes although a caller keeps its connection open', async () => {
    let asked: (() => void) | undefined
    const wasAsked = new Promise<void>((resolve) => (asked = resolve))
    const server = await serve({
      ready: () => {
        asked?.()
        return new Promise<Readiness>(() => {})
      },
    })
    const hanging = get(server, '/ready').then(
      () => 'answered',
      () => 'cut off',
    )
    await wasAsked
    await server.close()
    expect(await hanging).toBe('cut off')
    await expect(get(server, '/health')).rejects.toThrow('ECONNREFUSED')
  })
})
