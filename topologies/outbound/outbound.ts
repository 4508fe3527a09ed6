import { ROUTE_LOOKUP, routeFor, type Route } from '../../streams/contracts/lookups.ts'
import {
  dispatchRefusals,
  outboundCancels,
  outboundRequests,
  REPLAY_HEADER,
  type OutboundRequest,
} from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes } from '../../streams/contracts/outcomes.ts'
import type { Answer } from '../../streams/contracts/question.ts'
import { defineProcessor } from '../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../streams/dsl/topology.ts'
import { instantOf } from '../instant.ts'
import { NOTES } from '../notes.ts'
import { isReadAgain } from '../read-again.ts'
import { emits, noteRefusal, proceed, tell, type OutboundScope } from './journey.ts'
import {
  lastAt,
  messageOf,
  MessageRow,
  type Message,
  type Run,
  type Transition,
  type TakenRoute,
} from './message.ts'
import { takeRefusal } from './refusal.ts'
import { REPLAY_EXPIRES_AFTER_MS, replayedSeq } from './replay.ts'
import { brokenRule } from './request-rules.ts'
import { takeOutcome } from './outcome.ts'
import { routed } from './routing.ts'
import { schedule, takeCancel } from './scheduled.ts'

export interface OutboundOptions {
  /** Runs of a message that are remembered. Default: RUNS_MAX. A simulation drops them sooner. */
  readonly runsMax?: number
  /** How an operator wants long messages. Default: CSMS for all. */
  readonly strategyOf?: (operatorId: string) => TakenRoute['strategy']
}

/** What a handler may use beside its subject. */
interface Context {
  readonly scope: OutboundScope
  /** Null: nobody asked. */
  readonly answer: Answer<Route> | null
  readonly strategyOf: (operatorId: string) => TakenRoute['strategy']
  readonly runsMax: number | undefined
}

/** The topology `outbound` ([T1] to [T15], [O3] to [O9]). */
export const outbound = (options: OutboundOptions = {}): Topology =>
  defineTopology('outbound', [outboundProcessor(options.strategyOf ?? (() => 'CSMS'), options.runsMax)])

const outboundProcessor = (strategyOf: Context['strategyOf'], runsMax: number | undefined) =>
  defineProcessor({
    name: 'outbound',
    reads: {
      request: outboundRequests,
      cancel: outboundCancels,
      outcome: aggregatedOutcomes,
      refusal: dispatchRefusals,
    },
    emits,
    notes: NOTES,
    state: { store: 'messages', schema: MessageRow, keepsTrace: true },
    lookups: [ROUTE_LOOKUP],
    asks: {
      // The header that orders a replay cannot be seen here: a plain duplicate of a dead letter is
      // asked for in vain.
      request: (request: OutboundRequest, row: MessageRow | undefined) =>
        mayRoute(request, row) && brokenRule(request) === null ? { route: routeFor(request) } : null,
      retry: routeOf,
      send: (row: MessageRow) => {
        const request = messageOf(row)?.request
        return request === undefined || brokenRule(request) !== null ? null : routeOf(row)
      },
    },
    on: {
      request: (request, scope, answers) =>
        takeRequest(request, { scope, answer: answers?.route ?? null, strategyOf, runsMax }),
      cancel: (cancel, scope: OutboundScope) => takeCancel(cancel, scope),
      outcome: (outcome, scope: OutboundScope) => takeOutcome(outcome, scope, runsMax),
      refusal: (refused, scope: OutboundScope) => takeRefusal(refused, scope, runsMax),
    },
    due: {
      retry: (row, scope, answers) =>
        retry(row, { scope, answer: answers?.route ?? null, strategyOf, runsMax }),
      send: (row, scope, answers) =>
        send(row, { scope, answer: answers?.route ?? null, strategyOf, runsMax }),
      expire: (_, scope: OutboundScope) => scope.forget(),
    },
  })

/** What is scheduled asks when it is due: an answer of today says nothing about next week. */
function mayRoute({ sendAt }: OutboundRequest, row: MessageRow | undefined): boolean {
  const message = messageOf(row)
  return message === undefined ? sendAt === undefined : message.status === 'DEAD_LETTER'
}

function routeOf(row: MessageRow) {
  const request = messageOf(row)?.request
  return request === undefined ? null : { route: routeFor(request) }
}

/** [O4]: the order of the rows is the order of the lines. */
function takeRequest(request: OutboundRequest, context: Context): void {
  const { scope } = context
  const state = messageOf(scope.state)
  const known = state?.runs.find((run) => isReadAgain(scope, run.position))
  if (known !== undefined) return tell(scope, request, withExpiry(request, known.expiresAt), known)
  const deadSeq = replayedSeq(scope.key, scope.header(REPLAY_HEADER), state)
  if (deadSeq !== null) return replay(request, deadSeq, context)
  if (state !== undefined) return scope.note('orch.stage', DUPLICATE)
  if (request.sendAt !== undefined) return schedule(request, scope)
  begin(request, context)
}

const DUPLICATE = { stage: 'idempotency', result: 'duplicate' }

/** [T1]. */
function begin(request: OutboundRequest, context: Context): void {
  const { position, state } = context.scope
  // Nobody can have cancelled what was never SCHEDULED.
  if (state !== undefined) noteRefusal(context.scope, 'QUEUED', 'CANCELLED')
  queue(request, { position, from: null, firstSeq: 1, steps: [] }, context)
}

/** [T14]: the timer at `sendAt`. Its due time is that of the transition, however late it fires. */
function send(row: MessageRow, context: Context): void {
  const { request, run } = waiting(row, 'SCHEDULED')
  queue(request, run, context)
}

/** QUEUED, then [T2], or [T3] and what the answer says. */
function queue(request: OutboundRequest, run: Run, context: Context): void {
  const { scope } = context
  const at = scope.now
  const toQueued: Transition = { status: 'QUEUED', at, attempt: 0 }
  const broken = brokenRule(request)
  if (broken === null) {
    const toRouting: Transition = { status: 'ROUTING', at, attempt: 0 }
    return route(context, { run, steps: [toQueued, toRouting], request, earlier: [] })
  }
  const error = { code: 'validation', detail: broken }
  const toFailed: Transition = { status: 'FAILED', at, attempt: 0, error }
  proceed(scope, { run, steps: [toQueued, toFailed], request, about: request, earlier: [] })
}

interface ToRoute {
  readonly run: Run
  /** Steps up to ROUTING that the run does not have yet. */
  readonly steps: readonly Transition[]
  readonly request: OutboundRequest
  readonly earlier: readonly Run[]
}

function route({ scope, answer, strategyOf, runsMax }: Context, given: ToRoute): void {
  const { run, steps, request } = given
  const last = steps.at(-1) ?? run.steps.at(-1)
  const notBeforeMs = Math.max(scope.now, last?.at ?? 0)
  const routing = routed({ request, attempt: last?.attempt ?? 0, answer, notBeforeMs, strategyOf })
  if (routing.grpcCode !== undefined) scope.note('orch.routing_error', { grpcCode: routing.grpcCode })
  const next = [...steps, ...routing.steps]
  proceed(scope, { ...given, steps: next, route: routing.route, about: request, runsMax })
}

/**
 * [T12]. The text was validated when the message was new, and an expiry of days ago would only
 * expire it again.
 */
function replay(request: OutboundRequest, deadSeq: number, context: Context): void {
  const { now, position } = context.scope
  const state = messageOf(context.scope.state)
  const expiresAt = instantOf(now + REPLAY_EXPIRES_AFTER_MS)
  const run: Run = { position, from: 'DEAD_LETTER', firstSeq: deadSeq + 1, expiresAt, steps: [] }
  const at = Math.max(now, lastAt(state))
  route(context, {
    run,
    steps: [{ status: 'ROUTING', at, attempt: 0 }],
    request: withExpiry(request, expiresAt),
    earlier: state?.runs ?? [],
  })
}

/** The timer of [T7]: asks again, at most three times. */
function retry(row: MessageRow, context: Context): void {
  const { request, run, earlier } = waiting(row, 'ROUTING')
  route(context, { run, steps: [], request, earlier })
}

/** Of a message whose timer is due: its request, and the run that goes on. */
function waiting(row: MessageRow, status: Message['status']) {
  const message = messageOf(row)
  const run = message?.runs.at(-1)
  if (message?.request === undefined || run === undefined)
    throw new Error(`a timer is armed for a message that is not ${status}`)
  return { request: message.request, run, earlier: message.runs.slice(0, -1) }
}

const withExpiry = (request: OutboundRequest, expiresAt: string | undefined): OutboundRequest =>
  expiresAt === undefined ? request : { ...request, expiresAt }
