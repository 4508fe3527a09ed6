import { connect, createServer, type Socket } from 'node:net'

/**
 * A TCP hop that a test can break: stands between the gateway and a server that other tests use as
 * well.
 */
export interface Proxy {
  readonly port: number
  /** Cuts every connection and refuses new ones. */
  cut(): void
  /** Lets bytes wait: connections look alive and nothing answers. */
  freeze(): void
  resume(): void
  close(): Promise<void>
}

export async function startProxy(targetUrl: string): Promise<Proxy> {
  const target = new URL(targetUrl)
  const pairs = new Set<readonly [Socket, Socket]>()
  let isCut = false
  let isFrozen = false
  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const upstream = connect(Number(target.port), target.hostname)
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [upstream, client]] as const) {
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
      from.pipe(to)
      if (isFrozen) from.pause()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('proxy has no port')
  const cutAll = (): void => {
    for (const sockets of pairs) for (const socket of sockets) socket.destroy()
  }
  const each = (act: (socket: Socket) => void): void => {
    for (const sockets of pairs) for (const socket of sockets) act(socket)
  }
  return {
    port: address.port,
    cut: () => {
      isCut = true
      cutAll()
    },
    freeze: () => {
      isFrozen = true
      each((socket) => socket.pause())
    },
    resume: () => {
      isCut = false
      isFrozen = false
      each((socket) => socket.resume())
    },
    close: () => {
      cutAll()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
