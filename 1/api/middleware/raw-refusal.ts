import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Problem, problemBody, type ProblemCode } from '../problem.ts'

/** What llhttp and the clocks of the server call it, when it is not just a malformed request. */
const CODES: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'REQUEST_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/**
 * What the HTTP server refuses before any route sees it, as problems too [ER1], [ER22]. Node would
 * answer without a body.
 */
export function refuseAsProblems(server: Server, newId: () => string): void {
  const open = new WeakMap<Duplex, ServerResponse>()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    open.set(request.socket, response)
  })
  const refuse = (socket: Duplex, code: ProblemCode): void => {
    const answer = open.get(socket)
    const isOwed = answer !== undefined && !answer.writableFinished && answer.req.complete
    // What follows a whole request is at fault, and a refusal would be taken for its answer.
    if (isOwed) answer.once('close', () => socket.destroy())
    else if (!socket.writable || (answer?.headersSent === true && !answer.writableFinished)) socket.destroy()
    else socket.end(rawAnswer(new Problem(code), newId()))
  }
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    refuse(socket, CODES[error.code ?? ''] ?? 'MALFORMED_REQUEST')
  })
  // No proxy: Node would close the connection without a word.
  server.on('connect', (_request: IncomingMessage, socket) => refuse(socket, 'METHOD_NOT_ALLOWED'))
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const { status, headers, body } = answerOf(new Problem('EXPECTATION_FAILED'), newId())
    response.writeHead(status, headers).end(body)
  })
}

function answerOf(problem: Problem, requestId: string) {
  const body = JSON.stringify(problemBody(problem, requestId))
  const headers = {
    'Content-Type': 'application/problem+json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }
  return { status: problem.status, headers, body }
}

function rawAnswer(problem: Problem, requestId: string): string {
  const { status, headers, body } = answerOf(problem, requestId)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${problem.title}`, ...lines, '', body].join('\r\n')
}
