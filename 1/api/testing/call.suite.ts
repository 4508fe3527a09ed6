import { request } from 'node:http'
import { connect } from 'node:net'
import { checkAnswer } from './conformance.suite.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
  readonly json: unknown
}

export interface CallOptions {
  readonly method?: string
  /** A list is sent as that many header lines, which fetch cannot do. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Buffer
}

/**
 * One HTTP request of a client, on a connection of its own. Fails when the answer is not one that
 * the OpenAPI document allows [H8].
 */
export async function call(url: string, options: CallOptions = {}): Promise<Answer> {
  const answer = await exchange(url, options)
  // The answer to a HEAD has no body that could fit.
  if (options.method !== 'HEAD') checkAnswer(options.method ?? 'GET', url, answer)
  return answer
}

/** The same with a server that is not the API. */
export function exchange(
  url: string,
  { method = 'GET', headers = {}, body }: CallOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const lines = Object.entries(headers).flatMap(([name, value]) =>
      [value].flat().flatMap((line) => [name, line]),
    )
    const outgoing = request(
      url,
      { method, headers: ['Host', new URL(url).host, ...lines, ...lengthOf(body, headers)], agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) })
        })
      },
    )
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

const lengthOf = (body: string | Buffer | undefined, headers: object): string[] =>
  body === undefined || 'Transfer-Encoding' in headers
    ? []
    : ['Content-Length', String(Buffer.byteLength(body))]

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Bytes as they are, which no client would send; ends with all that came back until the close. */
export const rawCall = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'))
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')))
    socket.once('close', () => resolve(answer))
    socket.once('error', reject)
  })
