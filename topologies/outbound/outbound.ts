import { ROUTE_LOOKUP, routeFor, type Route } from '../../streams/contracts/lookups.ts'
import {
  dispatchRefusals,
  outboundRequests,
  REPLAY_HEADER,
  type OutboundRequest,
} from '../../streams/contracts/outbound.ts'
import { aggregatedOutcomes, type AggregatedOutcome } from '../../streams/contracts/outcomes.ts'
import type { Answer } from '../../streams/contracts/question.ts'
import { isFinal } from '../../streams/domain/message/lifecycle.ts'
import { defineProcessor } from '../../streams/dsl/processor.ts'
import { defineTopology, type Topology } from '../../streams/dsl/topology.ts'
import { instantOf } from '../instant.ts'
import { NOTES } from '../notes.ts'
import { isReadAgain } from '../read-again.ts'
import { emits, noteRefusal, proceed, tell, type OutboundScope } from './journey.ts'
import { Message, type Run, type Transition, type TakenRoute } from './message.ts'
import { takeRefusal } from './refusal.ts'
import { REPLAY_EXPIRES_AFTER_MS, replayedSeq } from './replay.ts'
import { brokenRule } from './request-rules.ts'
import { routed } from './routing.ts'

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

/** The topology `outbound` ([T1] to [T12], [O3] to [O9]). */
export const outbound = (options: OutboundOptions = {}): Topology =>
  defineTopology('outbound', [outboundProcessor(options.strategyOf ?? (() => 'CSMS'), options.runsMax)])

const outboundProcessor = (strategyOf: Context['strategyOf'], runsMax: number | undefined) =>
  defineProcessor({
    name: 'outbound',
    reads: { request: outboundRequests, outcome: aggregatedOutcomes, refusal: dispatchRefusals },
    emits,
    notes: NOTES,
    state: { store: 'messages', schema: Message },
    lookups: [ROUTE_LOOKUP],
    asks: {
      // The header that orders a replay cannot be seen here: a plain duplicate of a dead letter is
      // asked for in vain.
      request: (request: OutboundRequest, state: Message | undefined) =>
        (state === undefined || state.status === 'DEAD_LETTER') && brokenRule(request) === null
          ? { route: routeFor(request) }
          : null,
      retry: (message: Message) =>
        message.request === undefined ? null : { route: routeFor(message.request) },
    },
    on: {
      request: (request, scope, answers) =>
        takeRequest(request, { scope, answer: answers?.route ?? null, strategyOf, runsMax }),
      outcome: (outcome, scope: OutboundScope) => takeOutcome(outcome, scope, runsMax),
      refusal: (refused, scope: OutboundScope) => takeRefusal(refused, scope, runsMax),
    },
    due: {
      retry: (message, scope, answers) =>
        retry(message, { scope, answer: answers?.route ?? null, strategyOf, runsMax }),
      expire: (_, scope: OutboundScope) => scope.forget(),
    },
  })

/** [O4]: the order of the rows is the order of the lines. */
function takeRequest(request: OutboundRequest, context: Context): void {
  const { scope } = context
  const { state } = scope
  const known = state?.runs.find((run) => isReadAgain(scope, run.position))
  if (known !== undefined) return tell(scope, request, withExpiry(request, known.expiresAt), known)
  const deadSeq = replayedSeq(scope.key, scope.header(REPLAY_HEADER), state)
  if (deadSeq !== null) return replay(request, deadSeq, context)
  if (state !== undefined) return scope.note('orch.stage', DUPLICATE)
  begin(request, context)
}

const DUPLICATE = { stage: 'idempotency', result: 'duplicate' }

/** [T1], then [T2], or [T3] and what the answer says. */
function begin(request: OutboundRequest, context: Context): void {
  const { scope } = context
  const at = scope.now
  const run: Run = { position: scope.position, from: null, firstSeq: 1, steps: [] }
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
  const { now, position, state } = context.scope
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
function retry(message: Message, context: Context): void {
  const { request, runs } = message
  const run = runs.at(-1)
  if (request === undefined || run === undefined)
    throw new Error('a retry is armed for a message that is not ROUTING')
  route(context, { run, steps: [], request, earlier: runs.slice(0, -1) })
}

/**
 * [T11]. A message has one outcome, so a second one is the first one read again, here or upstream:
 * it is repeated, not refused.
 */
function takeOutcome(outcome: AggregatedOutcome, scope: OutboundScope, runsMax: number | undefined): void {
  const { state } = scope
  const last = state?.runs.at(-1)
  if (state === undefined || last === undefined) return noteRefusal(scope, null, outcome.status)
  if (last.from === 'SENT' && isFinal(state.status)) return tell(scope, state, null, last)
  // When rows have been forgotten and requests are read again, an outcome may come before the
  // command: its message is not over, and a retry may be armed.
  if (state.status !== 'SENT') return noteRefusal(scope, state.status, outcome.status)
  const { status, seq, attemptCount, runs } = state
  const run: Run = { ...last, position: scope.position, from: status, firstSeq: seq + 1, steps: [] }
  const at = Math.max(scope.now, lastAt(state))
  const step: Transition = { status: outcome.status, at, attempt: attemptCount }
  proceed(scope, { run, steps: [step], request: null, about: state, earlier: runs, runsMax })
}

const lastAt = (state: Message | undefined): number => state?.runs.at(-1)?.steps.at(-1)?.at ?? 0

const withExpiry = (request: OutboundRequest, expiresAt: string | undefined): OutboundRequest =>
  expiresAt === undefined ? request : { ...request, expiresAt }
