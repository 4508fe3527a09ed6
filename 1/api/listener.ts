import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { sleep } from '../streams/platform/backoff.ts'
import { refuseAsProblems } from './middleware/raw-refusal.ts'

export interface Listener {
  readonly port: number
  /** Whether the process is about to go: readiness is red from then on. */
  readonly draining: boolean
  /**
   * Serves everybody for `graceMs` more, so that the gateway notices and sends elsewhere. Then it
   * takes no new connection, lets requests finish for at most `DRAIN_MS_MAX`, and cuts what is
   * left.
   */
  close(): Promise<void>
}

export interface ListenOptions {
  /** Must answer every request and never reject. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  readonly host: string
  readonly port: number
  /** Longer than the gateway and the cluster need to see the red readiness. */
  readonly graceMs: number
  /** From the first byte of a request to the last one of its headers. */
  readonly headersMsMax?: number
  readonly newId: () => string
}

// Kong sends a request at once. A client that is slower than this only holds a socket.
const HEADERS_MS_MAX = 10_000
const REQUEST_MS_MAX = 30_000
/** How often Node looks for slow ones; its own 30 s would add as much to the two limits. */
const LOOK_MS = 1_000
/** Longer than the gateway keeps idle connections (60 s), so that it never uses a closed one. */
const KEEP_ALIVE_MS = 75_000
/**
 * Far more than the gateway's pools hold; the next one is refused, and counted by nobody but it.
 */
const CONNECTIONS_MAX = 4_096
const DRAIN_MS_MAX = 10_000
const DRAIN_LOOK_MS = 50

export async function listen(options: ListenOptions): Promise<Listener> {
  let draining = false
  const server = createServer(
    // Without a Host we answer ourselves, see middleware/identity.ts.
    { connectionsCheckingInterval: LOOK_MS, requireHostHeader: false },
    (request, response) => {
      // A client that keeps its connection open would otherwise go on sending here while we wait
      // for it to stop.
      if (draining) response.setHeader('Connection', 'close')
      void options.handler(request, response)
    },
  )
  server.headersTimeout = options.headersMsMax ?? HEADERS_MS_MAX
  server.requestTimeout = REQUEST_MS_MAX
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.maxConnections = CONNECTIONS_MAX
  refuseAsProblems(server, options.newId)
  const port = await bind(server, options)
  return {
    port,
    get draining() {
      return draining
    },
    async close() {
      draining = true
      await sleep(options.graceMs)
      await closeServer(server)
    },
  }
}

async function bind(server: Server, { host, port }: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
  return address.port
}

async function closeServer(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS_MAX)
  const dropIdle = setInterval(() => server.closeIdleConnections(), DRAIN_LOOK_MS)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  clearTimeout(cut)
  clearInterval(dropIdle)
}
