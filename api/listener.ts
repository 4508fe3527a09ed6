import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface Listener {
  readonly port: number
  /**
   * Takes no new connection, lets requests finish for at most `DRAIN_MS_MAX`, then cuts what is
   * left.
   */
  close(): Promise<void>
}

// Kong sends a request at once. A client that is slower than this only holds a socket.
const HEADERS_MS_MAX = 10_000
const REQUEST_MS_MAX = 30_000
const DRAIN_MS_MAX = 10_000
const DRAIN_LOOK_MS = 50

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** `handler` must answer every request and never reject. */
export async function listen(handler: Handler, host: string, port: number): Promise<Listener> {
  let stopping = false
  const server = createServer((request, response) => {
    // A client that keeps its connection open would otherwise go on sending here while we wait for
    // it to stop.
    if (stopping) response.setHeader('Connection', 'close')
    void handler(request, response)
  })
  // Node drops what is beyond its count without a word. All come through, up to its 16 KiB (431),
  // so that they can be counted [ID13].
  server.maxHeadersCount = 0
  server.headersTimeout = HEADERS_MS_MAX
  server.requestTimeout = REQUEST_MS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
  return {
    port: address.port,
    async close() {
      stopping = true
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS_MAX)
      const dropIdle = setInterval(() => server.closeIdleConnections(), DRAIN_LOOK_MS)
      await new Promise<void>((resolve) => server.close(() => resolve()))
      clearTimeout(cut)
      clearInterval(dropIdle)
    },
  }
}
