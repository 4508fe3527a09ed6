import { createServer } from 'node:net'

// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a port
// stays free between the probe and the server's start, and while a test has that server stopped.
const portMin = 20_000
const portMax = 32_000
const attemptsMax = 200

const handedOut = new Set<number>()

const isFree = async (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })

/** A TCP port of 127.0.0.1 on which nothing listens, never the same one twice in this process. */
export const freePort = async (random: () => number = Math.random): Promise<number> => {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = portMin + Math.floor(random() * (portMax - portMin))
    if (handedOut.has(port) || !(await isFree(port))) continue
    handedOut.add(port)
    return port
  }
  throw new Error(`No free port found between ${portMin} and ${portMax} after ${attemptsMax} attempts.`)
}
