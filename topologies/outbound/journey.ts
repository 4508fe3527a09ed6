import {
  DEAD_LETTER_REASONS,
  dispatchCommands,
  outboundDeadLetters,
  type OutboundRequest,
  outboundRetries,
  statusEvents,
} from '../../streams/contracts/outbound.ts'
import { segmentFacts } from '../../streams/contracts/receipts.ts'
import { canMove } from '../../streams/domain/message/lifecycle.ts'
import type { MessageStatus } from '../../streams/domain/statuses.ts'
import type { Scope } from '../../streams/dsl/processor.ts'
import type { NoteName } from '../notes.ts'
import { dueMs } from './due.ts'
import {
  commandEvent,
  deadLetterEvent,
  expectedFact,
  placed,
  retryEvent,
  statusEvent,
  type About,
  type Placed,
} from './events.ts'
import {
  MESSAGE_LIFETIME_MS,
  RUNS_MAX,
  type MessageRow,
  type Run,
  type Transition,
  type TakenRoute,
} from './message.ts'
import { noteStep } from './step-notes.ts'

export const emits = {
  status: statusEvents,
  retry: outboundRetries,
  deadLetter: outboundDeadLetters,
  command: dispatchCommands,
  fact: segmentFacts,
}
export type OutboundScope = Scope<MessageRow, typeof emits, 'retry' | 'send' | 'expire', NoteName>

export interface Continuation {
  readonly run: Run
  readonly steps: readonly Transition[]
  readonly route?: TakenRoute | undefined
  readonly request: OutboundRequest | null
  readonly about: About
  /** Runs before this one. */
  readonly earlier: readonly Run[]
  /** Runs that are kept. Default: RUNS_MAX. */
  readonly runsMax?: number | undefined
}

/**
 * Adds steps to a run: tells them, keeps them, and arms what they need. When the table of
 * transitions refuses one of them, nothing happens but a count and a log line [T21].
 */
export function proceed(scope: OutboundScope, given: Continuation): void {
  const { run, steps, request, about } = given
  if (!isLegal(scope, run.steps.at(-1)?.status ?? run.from, steps)) return
  const longer: Run = {
    ...run,
    ...(given.route !== undefined && { route: given.route }),
    steps: [...run.steps, ...steps],
  }
  tell(scope, about, request, longer, run.steps.length)
  keep(scope, given, longer)
  for (let index = run.steps.length; index < longer.steps.length; index += 1) {
    noteStep(scope, placed(longer, index), about)
  }
}

function isLegal(scope: OutboundScope, from: MessageStatus | null, steps: readonly Transition[]): boolean {
  let previous = from
  for (const { status } of steps) {
    if (!canMove(previous, status)) {
      noteRefusal(scope, previous, status)
      return false
    }
    previous = status
  }
  return true
}

export const noteRefusal = (scope: OutboundScope, from: MessageStatus | null, to: MessageStatus): void =>
  scope.note('orch.illegal_transition', {
    messageId: scope.key,
    previousStatus: from ?? 'none',
    status: to,
  })

/**
 * Emits what a run has caused: `from` is the first of its steps that has not been told yet, 0 for a
 * re-read.
 */
export function tell(
  scope: OutboundScope,
  about: About,
  request: OutboundRequest | null,
  run: Run,
  from = 0,
) {
  for (let index = from; index < run.steps.length; index += 1) {
    const place = placed(run, index)
    scope.emit('status', statusEvent(scope.key, about, place))
    if (request !== null) tellMore(scope, request, place)
  }
}

/** A run of the outcome has no request: nothing but its status follows from it. */
function tellMore(scope: OutboundScope, request: OutboundRequest, place: Placed): void {
  const { run, step, seq } = place
  if (step.retryAt !== undefined) scope.emit('retry', retryEvent(request, place, step.retryAt))
  if (step.status === 'FAILED' || step.status === 'DEAD_LETTER') {
    const reason = DEAD_LETTER_REASONS.find((known) => known === step.error?.code)
    if (reason === undefined) throw new Error(`no dead letter reason is called ${step.error?.code}`)
    scope.emit('deadLetter', deadLetterEvent(request, place, reason))
  }
  if (step.status === 'SENT' && run.route !== undefined) {
    scope.emit('command', commandEvent(request, run.route, seq, step.at))
    scope.emit('fact', expectedFact(request, run.route, seq, step.at))
  }
}

function keep(scope: OutboundScope, given: Continuation, run: Run): void {
  const last = run.steps.at(-1)
  if (last === undefined) throw new Error(`run ${run.position} has no steps`)
  const { request } = given
  const waits = last.status === 'ROUTING' || last.status === 'SCHEDULED'
  const { tenantId, accountId, segmentCount, enqueuedAt } = given.about
  scope.put({
    tenantId,
    accountId,
    segmentCount,
    enqueuedAt,
    status: last.status,
    seq: run.firstSeq + run.steps.length - 1,
    attemptCount: last.attempt,
    ...(waits && request !== null && { request }),
    runs: [...given.earlier, run].slice(-(given.runsMax ?? RUNS_MAX)),
  })
  const sendAt = request?.sendAt
  const notBeforeMs = sendAt === undefined ? 0 : Date.parse(sendAt)
  scope.arm('expire', Math.max(last.at, notBeforeMs) + MESSAGE_LIFETIME_MS)
  if (last.retryAt !== undefined) scope.arm('retry', last.retryAt)
  if (last.status === 'SCHEDULED' && sendAt !== undefined) scope.arm('send', dueMs(sendAt, last.at))
  else scope.disarm('send')
}
