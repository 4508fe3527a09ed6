import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Target {
  readonly host: string
  readonly port: number
}

/** A TCP hop in front of a server: an address that a test can take away and give back. */
export interface Hop {
  readonly port: number
  readonly address: string
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>
  /** Lets bytes wait in both directions: connections open and look alive, and nothing answers. */
  freeze(): void
  /** Undoes `cut` and `freeze`, on the same port. */
  mend(): Promise<void>
  close(): Promise<void>
}

/** Both ends of one connection: `near` is the client's, `far` the server's. */
export interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** While true nobody may resume a socket. */
  readonly isFrozen: () => boolean
}

export interface HopOptions {
  /** Any free one unless given. */
  readonly port?: number
  /** Moves the bytes of a connection and ends it; all bytes, both ways, unless given. */
  readonly relay?: (pair: Pair) => void
}

/** Writes, and lets the source wait while the sink is full. */
export function pass(from: Socket, to: Socket, bytes: Buffer, isFrozen: () => boolean): void {
  if (to.destroyed || to.write(bytes)) return
  from.pause()
  to.once('drain', () => {
    if (!isFrozen()) from.resume()
  })
}

function relayAll({ near, far, isFrozen }: Pair): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.on('data', (bytes: Buffer) => pass(from, to, bytes, isFrozen))
    // What was taken is still handed on; then the other end closes as well.
    from.on('close', () => to.destroySoon())
  }
}

export async function openHop(target: Target, options: HopOptions = {}): Promise<Hop> {
  const { relay = relayAll } = options
  const sockets = new Set<Socket>()
  let frozen = false
  const isFrozen = (): boolean => frozen
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    // A broken end is a closed one; what it means for the other end is the relay's business.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    return socket.setNoDelay(true)
  }
  const accept = (socket: Socket): void => {
    const near = keep(socket)
    const far = keep(connect(target.port, target.host))
    relay({ near, far, isFrozen })
    if (frozen) for (const one of [near, far]) one.pause()
  }
  let server = await listen(accept, options.port ?? 0)
  const port = portOf(server)
  const cut = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await stop(server)
  }
  return {
    port,
    address: `127.0.0.1:${port}`,
    cut,
    freeze() {
      frozen = true
      for (const socket of sockets) socket.pause()
    },
    async mend() {
      frozen = false
      for (const socket of sockets) socket.resume()
      if (!server.listening) server = await listen(accept, port)
    },
    close: cut,
  }
}

const listen = (accept: (socket: Socket) => void, port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer(accept)
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })

const stop = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the hop has no TCP port')
  return address.port
}

export interface UrlHop extends Hop {
  /** The given URL with the hop's host and port. */
  readonly url: string
}

/** A hop in front of the server of a URL. */
export async function hopTo(url: string): Promise<UrlHop> {
  const { hostname, port } = new URL(url)
  const hop = await openHop({ host: hostname, port: Number(port) })
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(hop.port)
  return { ...hop, url: through.href }
}
