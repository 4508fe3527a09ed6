import { e164 } from '../../../streams/contracts/topic.ts'
import type { OperatorStates } from './health.ts'
import type { Route, RouteTable } from './routes.ts'
import type { FaultScript, ScriptedCode } from './script.ts'

/** Fields of the proto messages that decide, by their proto names. */
export interface SelectRouteRequest {
  readonly message_id: string
  readonly to: string
}

export interface SelectRouteResponse {
  readonly operator_id: string
  readonly route_id: string
  readonly strategy: 'ROUTING_STRATEGY_PRIORITY' | 'ROUTING_STRATEGY_FAILOVER'
  readonly backup_operator_id: string
}

export type Selection = { readonly delayMs: number } & (
  | { readonly ok: true; readonly response: SelectRouteResponse }
  | { readonly ok: false; readonly code: ScriptedCode; readonly reason: string }
)

export interface RoutingState {
  readonly routes: RouteTable
  readonly states: OperatorStates
  readonly script: FaultScript
}

/** Decides one call: a malformed number, a scripted fault, no prefix, or a route. */
export function selectRoute(state: RoutingState, request: SelectRouteRequest): Selection {
  if (!e164.safeParse(request.to).success) return refused('INVALID_ARGUMENT', 'to is not an E.164 number')
  const fault = state.script.next(request.message_id, request.to)
  if (fault?.kind === 'refuse') return refused(fault.code, 'scripted')
  const route = state.routes.find(request.to)
  if (route === undefined) return refused('NOT_FOUND', 'no route has this prefix')
  const response = responseFor(route, state.states)
  const delayMs = fault?.kind === 'delay' ? fault.delayMs : 0
  return {
    ok: true,
    delayMs,
    response: fault?.kind === 'empty' ? { ...response, operator_id: '' } : response,
  }
}

const refused = (code: ScriptedCode, reason: string): Selection => ({ ok: false, delayMs: 0, code, reason })

/**
 * The backup answers only when the first operator is known to be down and the backup is known to be
 * up.
 */
function responseFor(route: Route, states: OperatorStates): SelectRouteResponse {
  const { operatorId, backupOperatorId } = route
  const isDown = states.stateOf(operatorId) === 'UNBOUND'
  if (isDown && backupOperatorId !== undefined && states.stateOf(backupOperatorId) === 'BOUND')
    return response(route, backupOperatorId, 'ROUTING_STRATEGY_FAILOVER', '')
  return response(route, operatorId, 'ROUTING_STRATEGY_PRIORITY', backupOperatorId ?? '')
}

const response = (
  route: Route,
  operatorId: string,
  strategy: SelectRouteResponse['strategy'],
  backupOperatorId: string,
): SelectRouteResponse => ({
  operator_id: operatorId,
  route_id: route.routeId,
  strategy,
  backup_operator_id: backupOperatorId,
})
