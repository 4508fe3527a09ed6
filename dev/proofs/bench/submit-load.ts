import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'

/** Who submits: the same request to either server, which read of it what they need. */
export interface Client {
  readonly token: string
  readonly tenantId: string
}

const BODY = JSON.stringify({
  to: '+447700900123',
  from: 'GHASI',
  body: 'Your code is 4711',
  metadata: { campaignId: 'camp-001' },
})

export interface Load {
  readonly port: number
  readonly clients: readonly Client[]
  readonly connections: number
  readonly seconds: number
  /** How long a connection waits after a 503. Absent: a 503 ends the benchmark. */
  readonly refusedPauseMs?: number
}

export interface Answered {
  /** Of what was answered 202. */
  readonly latenciesMs: readonly number[]
  readonly refused: number
}

/**
 * A closed loop over so many connections. Bare sockets, because Node's own client takes more of the
 * two cores for a request than the route that is measured.
 */
export async function load({ port, clients, connections, seconds, refusedPauseMs }: Load): Promise<Answered> {
  const latenciesMs: number[] = []
  let refused = 0
  const endMs = performance.now() + seconds * 1_000
  const answered = (status: string, latencyMs: number) => {
    if (status === '202') latenciesMs.push(latencyMs)
    else if (status === '503' && refusedPauseMs !== undefined) refused += 1
    else return undefined
    return status === '202' ? 0 : refusedPauseMs
  }
  const one = (_: unknown, index: number): Promise<void> => {
    const client = clients[index % clients.length]
    if (client === undefined) throw new Error('there is nobody who submits')
    return connection({ port, head: headOf(port, client), endMs, answered })
  }
  await Promise.all(Array.from({ length: connections }, one))
  return { latenciesMs, refused }
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
  /** Gives the pause before the next request; undefined when it must not be answered so. */
  readonly answered: (status: string, latencyMs: number) => number | undefined
}

const connection = ({ port, head, endMs, answered }: Loop): Promise<void> =>
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
      const statusLine = received.slice(0, 40)
      received = ''
      const pauseMs = answered(statusLine.slice(9, 12), performance.now() - startMs)
      if (pauseMs === undefined) socket.destroy(new Error(statusLine))
      else if (pauseMs === 0) send()
      else setTimeout(send, pauseMs)
    })
  })

function isWhole(answer: string): boolean {
  const body = answer.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(answer)?.[1]
  return body !== -1 && length !== undefined && answer.length >= body + 4 + Number(length)
}
