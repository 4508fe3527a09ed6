import type { Question } from './question.ts'

/** The questions that our topologies ask. */

/**
 * SelectRoute of the routing engine [CI1]. `reason` of unavailable and refused is the gRPC code
 * name.
 */
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

/**
 * How far there is to read at each place of a path, and after that how far has been read there; of
 * equal length.
 */
export interface ReadingProgress {
  readonly ends: readonly number[]
  readonly read: readonly number[]
}

export const SUBMIT_RESULTS_READ_LOOKUP = 'submit-results-read'

/**
 * How far submit results have become submissions that receipts can be joined with, from NATS on.
 * The same for every receipt.
 */
export const submitResultsRead: Question<ReadingProgress> = {
  lookup: SUBMIT_RESULTS_READ_LOOKUP,
  key: '',
  about: {},
}
