import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { problemType } from '../streams/contracts/problem.ts'
import { send } from '../streams/platform/operations-server.ts'
import type { Operator } from './operator/operator.ts'

const ACTION = /^\/sessions\/([^/]+)\/(reconnect|pause|drain|resume)$/
const ACTIONS: Readonly<Record<string, (operator: Operator) => void>> = {
  reconnect: (operator) => operator.reconnect(),
  pause: (operator) => operator.hold('paused'),
  drain: (operator) => operator.hold('drained'),
  resume: (operator) => operator.resume(),
}

const PROBLEMS = {
  UNAUTHENTICATED: { status: 401, title: 'Unauthenticated', detail: 'the token is missing or not valid' },
  NOT_FOUND: { status: 404, title: 'Not found', detail: 'this process works for no such operator' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed', detail: 'see the Allow header' },
} as const

export interface SessionsRouteOptions {
  readonly operators: ReadonlyMap<string, Operator>
  readonly token: string
  /** A new uuid, for a request that brings no id of its own. */
  readonly newId: () => string
}

type Handled = Promise<boolean>

/** [H12], [H13] and [H18]; false for other paths. */
export const sessionsRoute =
  (options: SessionsRouteOptions) =>
  (request: IncomingMessage, response: ServerResponse): Handled => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const [, operatorId, action] = ACTION.exec(path) ?? []
    const say = (code: keyof typeof PROBLEMS): void => problem(response, code, requestIdOf(request, options))
    if (path === '/sessions') list(request, response, options, say)
    else if (operatorId === undefined || action === undefined) return Promise.resolve(false)
    else act(request, response, options, { operatorId, action }, say)
    return Promise.resolve(true)
  }

type Say = (code: keyof typeof PROBLEMS) => void

function list(
  request: IncomingMessage,
  response: ServerResponse,
  { operators }: SessionsRouteOptions,
  say: Say,
): void {
  if (request.method !== 'GET') return refuseMethod(response, 'GET', say)
  send(response, 200, { sessions: [...operators.values()].map((operator) => operator.view) })
}

function act(
  request: IncomingMessage,
  response: ServerResponse,
  { operators, token }: SessionsRouteOptions,
  { operatorId, action }: { readonly operatorId: string; readonly action: string },
  say: Say,
): void {
  if (request.method !== 'POST') return refuseMethod(response, 'POST', say)
  if (!isAuthorised(request, token)) return say('UNAUTHENTICATED')
  const operator = operators.get(operatorId)
  if (operator === undefined) return say('NOT_FOUND')
  ACTIONS[action]?.(operator)
  send(response, 202, { status: 'ok' })
}

function refuseMethod(response: ServerResponse, allowed: string, say: Say): void {
  response.setHeader('allow', allowed)
  say('METHOD_NOT_ALLOWED')
}

/** RFC 9457, as everywhere in the platform [ER1]. */
function problem(response: ServerResponse, code: keyof typeof PROBLEMS, requestId: string): void {
  const { status, title, detail } = PROBLEMS[code]
  const instance = `urn:uuid:${requestId}`
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ type: problemType(code), title, status, detail, instance, code }))
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function requestIdOf(request: IncomingMessage, { newId }: SessionsRouteOptions): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && UUID.test(given) ? given.toLowerCase() : newId()
}

function isAuthorised(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
