import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

/** Whether a process can do its work now, and why not [H32]. */
export interface Readiness {
  readonly ready: boolean
  readonly details: Readonly<Record<string, string>>
}

export interface OperationsOptions {
  readonly host: string
  readonly port: number
  readonly metrics: Metrics
  readonly ready: () => Promise<Readiness> | Readiness
  /**
   * Not ready when only a new start helps: [H9] then answers 503 with the details, and [H10] too,
   * whatever `ready` says. Absent: always alive.
   */
  readonly live?: () => Readiness
  /** Further routes of a process; true when it answered. */
  readonly route?: (request: IncomingMessage, response: ServerResponse) => Promise<boolean>
}

export interface OperationsServer {
  readonly port: number
  close(): Promise<void>
}

/**
 * Health, readiness and metrics of a process without an API of its own [H9] to [H11]. Reachable
 * from the cluster only.
 */
export async function serveOperations(options: OperationsOptions): Promise<OperationsServer> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch(() => sendFailure(response))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return { port: portOf(server), close: () => closeServer(server) }
}

async function answer(
  options: OperationsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0]
  if (path === '/health' || path === '/health/live') return sendLiveness(response, options.live?.())
  if (path === '/ready' || path === '/health/ready')
    return sendReadiness(response, await readinessOf(options))
  if (path === '/metrics') {
    response.setHeader('content-type', options.metrics.registry.contentType)
    response.end(await options.metrics.registry.metrics())
    return
  }
  if (options.route !== undefined && (await options.route(request, response))) return
  send(response, 404, { status: 'error' })
}

/** Alive is one word [H9]; only what is wrong needs details. */
const sendLiveness = (response: ServerResponse, liveness: Readiness | undefined): void =>
  liveness === undefined || liveness.ready
    ? send(response, 200, { status: 'ok' })
    : send(response, 503, { status: 'error', details: liveness.details })

async function readinessOf({ ready, live }: OperationsOptions): Promise<Readiness> {
  const given = await ready()
  const liveness = live?.() ?? { ready: true, details: {} }
  return { ready: given.ready && liveness.ready, details: { ...given.details, ...liveness.details } }
}

const sendReadiness = (response: ServerResponse, { ready, details }: Readiness): void =>
  send(response, ready ? 200 : 503, { status: ready ? 'ok' : 'error', details })

/**
 * An answer that broke off half-way cannot become another one; the caller must see that it broke.
 */
function sendFailure(response: ServerResponse): void {
  if (response.headersSent) response.destroy()
  else send(response, 500, { status: 'error' })
}

export function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('server has no TCP port')
  return address.port
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}
