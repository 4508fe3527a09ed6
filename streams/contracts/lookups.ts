import type { Question } from './question.ts'

/** The questions that our topologies ask. */

/** SelectRoute of the routing engine (spec http.md §8). `reason` of unavailable and refused is the gRPC code name. */
export interface Route {
  readonly operatorId: string
  readonly routeId: string
  readonly backupOperatorId?: string
}

export const ROUTE_LOOKUP = 'route'

export const routeFor = (request: {
  readonly messageId: string
  readonly tenantId: string
  readonly accountId: string
  readonly to: string
  readonly from: string
  readonly messageType: string
}): Question<Route> => ({
  lookup: ROUTE_LOOKUP,
  key: request.messageId,
  about: {
    messageId: request.messageId,
    tenantId: request.tenantId,
    accountId: request.accountId,
    to: request.to,
    from: request.from,
    messageType: request.messageType,
  },
})
