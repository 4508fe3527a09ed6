import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'

/** Who submits: the same request to either server, which read of it what they need. */
export interface Client {
  readonly token: string
  readonly tenantId: string
}

const CONNECTIONS = 64
const BODY = JSON.stringify({
  to: '+447700900123',
  from: 'GHASI',
  body: 'Your code is 4711',
  metadata: { campaignId: 'camp-001' },
})

/**
 * A closed loop over 64 connections. Latencies in ms of what was answered 202; anything else ends
 * the benchmark. Bare sockets, because Node's own client takes more of the two cores for a request
 * than the route that is measured.
 */
export async function load(port: number, clients: readonly Client[], seconds: number): Promise<number[]> {
  const latencies: number[] = []
  const endMs = performance.now() + seconds * 1_000
  const one = (_: unknown, index: number): Promise<void> => {
    const client = clients[index % clients.length]
    if (client === undefined) throw new Error('there is nobody who submits')
    return connection({ port, head: headOf(port, client), endMs, taken: (ms) => latencies.push(ms) })
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
  return latencies
}

/** Up to the value of the last header. */
const headOf = (port: number, { token, tenantId }: Client): string =>
  [
    'POST /v1/sms/send HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: keep-alive',
    `Authorization: Bearer ${token}`,
    `X-Tenant-Id: ${tenantId}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(BODY)}`,
    'Idempotency-Key: ',
  ].join('\r\n')

interface Loop {
  readonly port: number
  readonly head: string
  readonly endMs: number
  readonly taken: (latencyMs: number) => void
}

const connection = ({ port, head, endMs, taken }: Loop): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let startMs = 0
    let received = ''
    const send = () => {
      startMs = performance.now()
      if (startMs < endMs) socket.write(`${head}${randomUUID()}\r\n\r\n${BODY}`)
      else socket.end(resolve)
    }
    socket.setEncoding('latin1')
    socket.once('connect', send)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the server closed the connection')))
    socket.on('data', (text: string) => {
      received += text
      if (!isWhole(received)) return
      if (received.startsWith('HTTP/1.1 202 ')) {
        received = ''
        taken(performance.now() - startMs)
        send()
      } else socket.destroy(new Error(received.slice(0, 40)))
    })
  })

function isWhole(answer: string): boolean {
  const body = answer.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(answer)?.[1]
  return body !== -1 && length !== undefined && answer.length >= body + 4 + Number(length)
}
