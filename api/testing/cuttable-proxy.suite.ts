import { connect, createServer, type Server, type Socket } from 'node:net'

/** A server's address that a test can take away and give back. */
export interface CuttableProxy {
  /** The given URL with this proxy's host and port. */
  readonly url: string
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>
  /** Listens again on the same port. */
  mend(): Promise<void>
}

export async function cuttableProxy(target: string): Promise<CuttableProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let server = await listenOn(0)

  function listenOn(ownPort: number): Promise<Server> {
    const opened = createServer((near) => {
      const far = connect(Number(port), hostname)
      for (const socket of [near, far]) {
        sockets.add(socket)
        // Whatever ends one side ends the other; a reset is what a cut looks like.
        socket.on('error', () => socket.destroy())
        socket.once('close', () => {
          sockets.delete(socket)
          near.destroy()
          far.destroy()
        })
      }
      near.pipe(far).pipe(near)
    })
    return new Promise((resolve, reject) => {
      opened.once('error', reject)
      opened.listen(ownPort, '127.0.0.1', () => resolve(opened))
    })
  }

  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no TCP port')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(address.port)
  return {
    url: url.href,
    cut() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => void server.close(() => resolve()))
    },
    async mend() {
      server = await listenOn(address.port)
    },
  }
}
