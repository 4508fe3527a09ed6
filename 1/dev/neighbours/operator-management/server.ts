import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { send, serveOperations } from '../../../streams/platform/operations-server.ts'
import { readJsonBody } from '../../json.ts'
import { Operator, OperatorChange } from './operators.ts'

export interface OperatorManagementOptions {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly token: string
  readonly operators: readonly Operator[]
}

export interface OperatorManagement {
  readonly port: number
  /** Adds or replaces an operator. */
  set(operator: Operator): void
  /** While on, the credentials route answers 503. */
  setOutage(on: boolean): void
  /** Credentials replies with status 200 so far: the gateway has to ask before every bind. */
  repliesSent(): number
  close(): Promise<void>
}

interface State {
  readonly token: string
  readonly operators: Map<string, Operator>
  outage: boolean
  replies: number
}

const CREDENTIALS = /^\/internal\/operators\/([^/]+)\/smpp-credentials$/
const CONTROL_OPERATOR = /^\/control\/operators\/([^/]+)$/
const Outage = z.object({ outage: z.boolean() })

/**
 * `GET /internal/operators/{operatorId}/smpp-credentials` [CI5]: 200, 401 without the token, 404
 * for an unknown operator, 503 in an outage. `PUT /control/operators/{id}` merges its body over the
 * operator, or adds one; `PUT /control/outage` takes `{"outage":true}`. Health as every process.
 */
export async function startOperatorManagement(
  options: OperatorManagementOptions,
): Promise<OperatorManagement> {
  const operators = new Map(options.operators.map((operator) => [operator.operatorId, operator]))
  const state: State = { token: options.token, operators, outage: false, replies: 0 }
  const server = await serveOperations({
    host: options.host,
    port: options.port,
    metrics: new Metrics(),
    ready: () => ({ ready: true, details: {} }),
    route: (request, response) => route(state, request, response),
  })
  return {
    port: server.port,
    set: (operator) => void operators.set(operator.operatorId, operator),
    setOutage: (on) => {
      state.outage = on
    },
    repliesSent: () => state.replies,
    close: () => server.close(),
  }
}

async function route(state: State, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const path = (request.url ?? '/').split('?')[0] ?? '/'
  const asked = CREDENTIALS.exec(path)?.[1]
  if (request.method === 'GET' && asked !== undefined) {
    sendCredentials(state, asked, request, response)
    return true
  }
  const changed = CONTROL_OPERATOR.exec(path)?.[1]
  if (request.method === 'PUT' && changed !== undefined) {
    await changeOperator(state, changed, request, response)
    return true
  }
  if (request.method !== 'PUT' || path !== '/control/outage') return false
  await changeOutage(state, request, response)
  return true
}

function sendCredentials(
  state: State,
  operatorId: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (state.outage) return send(response, 503, { status: 'outage' })
  if (request.headers.authorization !== `Bearer ${state.token}`)
    return send(response, 401, { status: 'unauthenticated' })
  const operator = state.operators.get(operatorId)
  if (operator === undefined) return send(response, 404, { status: 'unknown operator' })
  state.replies += 1
  send(response, 200, operator)
}

async function changeOperator(
  state: State,
  operatorId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const change = await readJsonBody(request, OperatorChange)
  if (!change.ok) return send(response, 400, { status: change.message })
  const merged = Operator.safeParse({ ...state.operators.get(operatorId), ...change.value, operatorId })
  if (!merged.success) return send(response, 400, { status: 'a new operator needs all fields' })
  state.operators.set(operatorId, merged.data)
  send(response, 200, merged.data)
}

async function changeOutage(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readJsonBody(request, Outage)
  if (!body.ok) return send(response, 400, { status: body.message })
  state.outage = body.value.outage
  send(response, 200, body.value)
}
