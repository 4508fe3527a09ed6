import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { portOf } from '../wire/testing/scripted-broker.suite.ts'

/** A TCP hop in front of one broker that cuts connections inside answers. */
export interface CuttingProxy {
  readonly port: number
  /** Connections that were cut so far. */
  readonly cuts: () => number
  /** From now on connections live, the present ones too. */
  spare(): void
  close(): Promise<void>
}

/** @param bytesUntilCut how much of its answers the next connection lets through */
export async function cuttingProxy(target: string, bytesUntilCut: () => number): Promise<CuttingProxy> {
  const colon = target.lastIndexOf(':')
  const [host, port] = [target.slice(0, colon), Number(target.slice(colon + 1))]
  const sockets = new Set<Socket>()
  let [cuts, isSparing] = [0, false]
  const server = createServer((client) => {
    const broker = connect({ host, port, noDelay: true })
    let left = bytesUntilCut()
    const end = (): void => {
      client.destroy()
      broker.destroy()
      sockets.delete(client)
    }
    sockets.add(client)
    for (const socket of [client, broker]) socket.on('error', end).on('close', end)
    client.pipe(broker)
    broker.on('data', (chunk) => {
      client.write(isSparing ? chunk : chunk.subarray(0, left))
      left -= chunk.length
      if (left > 0 || isSparing) return
      cuts += 1
      // What was let through arrives before the end does.
      client.end(end)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: portOf(server.address()),
    cuts: () => cuts,
    spare: () => {
      isSparing = true
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
