import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { problemType } from '../streams/contracts/problem.ts'
import { send } from '../streams/platform/operations-server.ts'
import type { Operator } from './operator/operator.ts'

const RECONNECT = /^\/sessions\/([^/]+)\/reconnect$/

/**
 * `GET /sessions` [H12] and `POST /sessions/{operatorId}/reconnect` [H13]; false for other paths.
 */
export const sessionsRoute =
  (operators: ReadonlyMap<string, Operator>, token: string) =>
  (request: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    if (request.method === 'GET' && path === '/sessions') {
      send(response, 200, { sessions: [...operators.values()].map((operator) => operator.view) })
      return Promise.resolve(true)
    }
    const operatorId = RECONNECT.exec(path)?.[1]
    if (request.method !== 'POST' || operatorId === undefined) return Promise.resolve(false)
    reconnect(operators.get(operatorId), isAuthorised(request, token), response)
    return Promise.resolve(true)
  }

function reconnect(operator: Operator | undefined, authorised: boolean, response: ServerResponse): void {
  if (!authorised) return problem(response, 401, 'UNAUTHENTICATED', 'Unauthenticated')
  if (operator === undefined) return problem(response, 404, 'NOT_FOUND', 'Not found')
  operator.reconnect()
  send(response, 202, { status: 'ok' })
}

/** RFC 9457, as everywhere in the platform [ER1]. */
function problem(response: ServerResponse, status: number, code: string, title: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ type: problemType(code), title, status, code }))
}

function isAuthorised(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
