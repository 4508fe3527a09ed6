import { contextFrom, inSpan } from '../../streams/platform/tracing.ts'
import { z } from 'zod'
import type { Route } from '../../streams/contracts/lookups.ts'
import type { Answer, Lookup, Question } from '../../streams/contracts/question.ts'
import { CircuitBreaker, ROUTING_BREAKER } from './breaker.ts'
import {
  routingClient,
  type RoutingClient,
  type RoutingTls,
  type SelectRouteReply,
  type SelectRouteRequest,
  type SelectRouteResult,
} from './client.ts'

/**
 * Environment of a process that asks the routing engine. Without ROUTING_CA the connection is not
 * encrypted.
 */
export const routingEnv = {
  ROUTING_ENGINE_URL: z.string(),
  ROUTING_CA: z.string().optional(),
  ROUTING_CERT: z.string().optional(),
  ROUTING_KEY: z.string().optional(),
}

export function routingTls(config: {
  readonly ROUTING_CA?: string | undefined
  readonly ROUTING_CERT?: string | undefined
  readonly ROUTING_KEY?: string | undefined
}): RoutingTls | undefined {
  const { ROUTING_CA: caFile, ROUTING_CERT: certFile, ROUTING_KEY: keyFile } = config
  return caFile === undefined ? undefined : { caFile, certFile, keyFile }
}

export interface RoutingLookupOptions {
  /** `host:port` of the routing engine. */
  readonly address: string
  readonly now: () => number
  /** Of one call. Default: 200 [CI2]. */
  readonly deadlineMs?: number
  readonly tls?: RoutingTls | undefined
}

export interface RoutingLookup {
  readonly lookup: Lookup
  close(): void
}

const DEADLINE_MS = 200

/**
 * Answers `routeFor` questions with SelectRoute [CI1], as [O6] to [O8] need it. A call has a
 * deadline of 200 ms, an UNAVAILABLE is repeated once, at once [CI2], and a circuit breaker stands
 * around every call [CI3]. Never rejects.
 */
export function routingLookup(options: RoutingLookupOptions): RoutingLookup {
  const { address, tls, deadlineMs = DEADLINE_MS } = options
  const client = routingClient({ address, deadlineMs, tls })
  return { lookup: lookupOver(client, options), close: () => client.close() }
}

/** The same over any client, so that its decisions can be tested without a network. */
export function lookupOver(
  client: Pick<RoutingClient, 'selectRoute'>,
  { now }: Pick<RoutingLookupOptions, 'now'>,
): Lookup {
  const breaker = new CircuitBreaker(ROUTING_BREAKER, now)
  const call = async (request: SelectRouteRequest): Promise<SelectRouteResult> => {
    const end = breaker.enter()
    if (end === undefined) return { code: CIRCUIT_OPEN }
    const result = await client.selectRoute(request)
    end(ANSWERED.has(result.code))
    return result
  }
  return async (question) => {
    const request = requestOf(question)
    const result = await inRouteSpan(question, async () => {
      const first = await call(request)
      return first.code === 'UNAVAILABLE' ? repeated(call, request, first) : first
    })
    return answerOf(result, now())
  }
}

/** Of the trace of the message that asks [TR2]. */
function inRouteSpan<T>({ about, trace }: Question<unknown>, work: () => Promise<T>): Promise<T> {
  const attributes = {
    'sms.message_id': about['messageId'] ?? '',
    'sms.tenant_id': about['tenantId'] ?? '',
    'sms.account_id': about['accountId'] ?? '',
  }
  const parent = contextFrom({ ...trace })
  return inSpan('routing', 'routing-engine.select_route', { attributes, parent }, work)
}

const CIRCUIT_OPEN = 'circuit_open'
/** The engine is well and has decided: these say nothing against it. */
const ANSWERED: ReadonlySet<string> = new Set(['OK', 'NOT_FOUND', 'INVALID_ARGUMENT'])

/** A circuit that opened in between leaves the first result as it is. */
async function repeated(
  call: (request: SelectRouteRequest) => Promise<SelectRouteResult>,
  request: SelectRouteRequest,
  first: SelectRouteResult,
): Promise<SelectRouteResult> {
  const second = await call(request)
  return second.code === CIRCUIT_OPEN ? first : second
}

const MESSAGE_TYPES: Readonly<Record<string, SelectRouteRequest['message_type']>> = {
  SMS: 'MESSAGE_TYPE_SMS',
  FLASH_SMS: 'MESSAGE_TYPE_FLASH',
}

const requestOf = ({ about }: Question<unknown>): SelectRouteRequest => ({
  message_id: about['messageId'] ?? '',
  tenant_id: about['tenantId'] ?? '',
  account_id: about['accountId'] ?? '',
  to: about['to'] ?? '',
  from: about['from'] ?? '',
  message_type: MESSAGE_TYPES[about['messageType'] ?? ''] ?? 'MESSAGE_TYPE_UNSPECIFIED',
})

function answerOf({ code, reply }: SelectRouteResult, at: number): Answer<Route> {
  if (reply !== undefined) return found(reply, at)
  if (code === 'NOT_FOUND') return { kind: 'absent', at }
  if (code === 'INVALID_ARGUMENT') return { kind: 'refused', reason: code, at }
  return { kind: 'unavailable', reason: code, at }
}

function found(reply: SelectRouteReply, at: number): Answer<Route> {
  const { operator_id: operatorId, route_id: routeId, backup_operator_id: backup } = reply
  if (operatorId === '') return { kind: 'unavailable', reason: 'EMPTY_OPERATOR', at }
  return {
    kind: 'found',
    value: { operatorId, routeId, ...(backup !== '' && { backupOperatorId: backup }) },
    at,
  }
}
