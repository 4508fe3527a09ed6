import { encode } from '../../streams/contracts/decode.ts'
import type { Route } from '../../streams/contracts/lookups.ts'
import { DispatchCommand, type OutboundRequest } from '../../streams/contracts/outbound.ts'
import type { Answer } from '../../streams/contracts/question.ts'
import { RETRIES_MAX, retryDelayMs } from '../../streams/domain/message/retry.ts'
import { commandEvent } from './events.ts'
import type { Transition, TakenRoute } from './message.ts'

/** [O9]: a record that the log or NATS would refuse must not be written. */
export const COMMAND_BYTES_MAX = 900 * 1024

export interface RoutingCase {
  readonly request: OutboundRequest
  /** Retries so far. */
  readonly attempt: number
  /** Null: nobody asked, because the row changed after the question was due. Taken as transient. */
  readonly answer: Answer<Route> | null
  /**
   * Epoch milliseconds; no transition may be earlier, and without an answer this is the time of the
   * failure.
   */
  readonly notBeforeMs: number
  readonly strategyOf: (operatorId: string) => TakenRoute['strategy']
}

export interface Routing {
  readonly steps: readonly Transition[]
  readonly route?: TakenRoute
  /** gRPC code of an answer other than OK. */
  readonly grpcCode?: string
}

/**
 * From ROUTING onwards: rows [O6] to [O9], which are [T4] to [T10]. All of its steps carry the time
 * of the answer and not that of the record. After a backlog of an hour the retries must still lie
 * 1, 2 and 4 s apart, and SENT must be when it was sent. The time is kept in the run, so that a
 * re-read repeats it.
 */
export function routed(given: RoutingCase): Routing {
  const { answer, attempt, notBeforeMs } = given
  const at = Math.max(notBeforeMs, answer?.at ?? notBeforeMs)
  if (answer === null) return transient('UNASKED', attempt, at)
  if (answer.kind === 'absent') return failed('no_route', 'NOT_FOUND', attempt, at) // [O7], [T5]
  if (answer.kind === 'refused') return failed('validation', answer.reason, attempt, at) // [O8], [T6]
  if (answer.kind === 'unavailable') return transient(answer.reason, attempt, at) // [O6]
  if (answer.value.operatorId === '') return transient('EMPTY_OPERATOR', attempt, at) // [O6]
  return dispatched(given, answer.value, at)
}

/** [T7] while retries are left, else [T8]. */
function transient(code: string, attempt: number, at: number): Routing {
  const detail = `routing-engine ${code}`
  if (attempt >= RETRIES_MAX) {
    const error = { code: 'max_attempts', detail }
    return { steps: [{ status: 'DEAD_LETTER', at, attempt, error }], grpcCode: code }
  }
  const next = attempt + 1
  const retryAt = at + retryDelayMs(next)
  return {
    steps: [{ status: 'ROUTING', at, attempt: next, error: { code, detail }, retryAt }],
    grpcCode: code,
  }
}

const failed = (code: string, grpcCode: string, attempt: number, at: number): Routing => ({
  steps: [{ status: 'FAILED', at, attempt, error: { code, detail: `routing-engine ${grpcCode}` } }],
  grpcCode,
})

/** [T4], then [T9], or [T10] when the command cannot be published. */
function dispatched({ request, attempt, strategyOf }: RoutingCase, found: Route, at: number): Routing {
  const { operatorId, routeId } = found
  const route: TakenRoute = { operatorId, routeId, strategy: strategyOf(operatorId) }
  const toRouted: Transition = { status: 'ROUTED', at, attempt }
  const problem = unpublishable(request, route, at)
  if (problem === null) return { steps: [toRouted, { status: 'SENT', at, attempt }], route }
  const error = { code: 'publish_fail', detail: problem }
  return { steps: [toRouted, { status: 'DEAD_LETTER', at, attempt, error }], route }
}

/** Any seq will do for the check: it only enters the event id. */
const ANY_SEQ = 1

function unpublishable(request: OutboundRequest, route: TakenRoute, at: number): string | null {
  const command = commandEvent(request, route, ANY_SEQ, at)
  const checked = DispatchCommand.safeParse(command)
  if (!checked.success) {
    const paths = checked.error.issues.map((issue) => issue.path.join('.'))
    return `the command does not fit its schema: ${[...new Set(paths)].join(', ')}`
  }
  return isTooLarge(command) ? `the command is larger than ${COMMAND_BYTES_MAX} bytes` : null
}

/** Members that are bounded by the schema, names and punctuation included. */
const BOUNDED_BYTES = 16 * 1024
/** JSON writes a control character as \u0000. */
const BYTES_PER_UNIT_MAX = 6

/**
 * Exact only when it may matter: the text of an ordinary command is not encoded a second time to be
 * measured.
 */
function isTooLarge(command: DispatchCommand): boolean {
  let units = command.routeId.length + (command.callbackUrl?.length ?? 0)
  for (const [key, value] of Object.entries(command.metadata ?? {})) units += key.length + value.length + 1
  if (BOUNDED_BYTES + units * BYTES_PER_UNIT_MAX <= COMMAND_BYTES_MAX) return false
  return new TextEncoder().encode(encode(command)).length > COMMAND_BYTES_MAX
}
