import type { OutboundCancel, OutboundRequest } from '../../streams/contracts/outbound.ts'
import { isReadAgain } from '../read-again.ts'
import {
  lastAt,
  MESSAGE_LIFETIME_MS,
  messageOf,
  type Run,
  type Transition,
  type WaitingCancel,
} from './message.ts'
import { noteRefusal, proceed, tell, type OutboundScope } from './journey.ts'

/**
 * [T13] of a message that is not known yet: SCHEDULED until the timer `send`. When its cancel has
 * come before, as it may when both had to wait for NATS, it is CANCELLED at once.
 */
export function schedule(request: OutboundRequest, scope: OutboundScope): void {
  const { now, position, state } = scope
  const run: Run = { position, from: null, firstSeq: 1, steps: [] }
  const toScheduled: Transition = { status: 'SCHEDULED', at: now, attempt: 0 }
  const toCancelled: Transition = { status: 'CANCELLED', at: now, attempt: 0 }
  const isCancelled = state !== undefined && isOfOne(state, request)
  if (state !== undefined && !isCancelled) noteRefusal(scope, 'SCHEDULED', 'CANCELLED')
  const steps = isCancelled ? [toScheduled, toCancelled] : [toScheduled]
  proceed(scope, { run, steps, request, about: request, earlier: [] })
}

/**
 * [T15], and the one place that decides between a cancel and the due instant: what comes first in
 * the order of the task wins. A record goes before a timer that is due at the same instant.
 */
export function takeCancel(cancel: OutboundCancel, scope: OutboundScope): void {
  const { state, position, now } = scope
  if (state === undefined) return keepForRequest(cancel, scope)
  const message = messageOf(state)
  if (message === undefined) return scope.note('orch.stage', DUPLICATE)
  const { status, seq, attemptCount, runs, request = null } = message
  const known = runs.find((run) => isReadAgain(scope, run.position))
  if (known !== undefined) return tell(scope, message, null, known)
  if (!isOfOne(message, cancel)) return noteRefusal(scope, status, 'CANCELLED')
  if (status === 'CANCELLED') return scope.note('orch.stage', DUPLICATE)
  const run: Run = { position, from: status, firstSeq: seq + 1, steps: [] }
  const at = Math.max(now, lastAt(message))
  const step: Transition = { status: 'CANCELLED', at, attempt: attemptCount }
  proceed(scope, { run, steps: [step], request, about: message, earlier: runs })
}

const DUPLICATE = { stage: 'idempotency', result: 'duplicate' }

/** Kept as long as the message itself would be: its request may wait in an outbox for days. */
function keepForRequest({ tenantId, accountId, sendAt }: OutboundCancel, scope: OutboundScope): void {
  scope.put({ tenantId, accountId, isCancelled: true })
  scope.arm('expire', Math.max(scope.now, Date.parse(sendAt)) + MESSAGE_LIFETIME_MS)
}

type Owned = Pick<WaitingCancel, 'tenantId' | 'accountId'>

/** Nobody cancels what is another's. */
const isOfOne = (one: Owned, other: Owned): boolean =>
  one.tenantId === other.tenantId && one.accountId === other.accountId
