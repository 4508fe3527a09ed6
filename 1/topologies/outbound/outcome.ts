import type { AggregatedOutcome } from '../../streams/contracts/outcomes.ts'
import { isFinal } from '../../streams/domain/message/lifecycle.ts'
import { noteRefusal, proceed, tell, type OutboundScope } from './journey.ts'
import { lastAt, messageOf, type Run, type Transition } from './message.ts'

/**
 * [T11]. A message has one outcome, so a second one is the first one read again, here or upstream:
 * it is repeated, not refused.
 */
export function takeOutcome(
  outcome: AggregatedOutcome,
  scope: OutboundScope,
  runsMax: number | undefined,
): void {
  const state = messageOf(scope.state)
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
