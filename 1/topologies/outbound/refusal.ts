import type { DispatchCommand, DispatchRefused, OutboundRequest } from '../../streams/contracts/outbound.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import { isFinal } from '../../streams/domain/message/lifecycle.ts'
import { isReadAgain } from '../read-again.ts'
import { refusedFact } from './events.ts'
import { noteRefusal, proceed, tell, type OutboundScope } from './journey.ts'
import { messageOf, type Message, type Run, type Transition } from './message.ts'

/**
 * [T10] of a message that is SENT: NATS will never take its command, so no operator has it. The
 * message can be replayed like any other dead letter. Read again it emits what it emitted [P2].
 */
export function takeRefusal(
  refused: DispatchRefused,
  scope: OutboundScope,
  runsMax: number | undefined,
): void {
  const { position } = scope
  const state = messageOf(scope.state)
  const known = state?.runs.find((run) => isReadAgain(scope, run.position))
  if (state !== undefined && known !== undefined) return tellRefusal(refused, scope, known)
  if (state === undefined || !isAbout(refused, state)) return noteOther(refused, scope)
  const { status, seq, attemptCount, runs } = state
  const last = runs.at(-1)
  const run: Run = { ...last, position, from: status, firstSeq: seq + 1, steps: [] }
  const at = Math.max(scope.now, last?.steps.at(-1)?.at ?? 0)
  const error = { code: 'publish_fail', detail: `NATS refused the command: ${refused.reason}` }
  const step: Transition = { status: 'DEAD_LETTER', at, attempt: attemptCount, error }
  const request = requestIn(refused.command)
  proceed(scope, { run, steps: [step], request, about: state, earlier: runs, runsMax })
  scope.emit('fact', refusedFact(refused))
}

/** While the message is SENT its seq is that of the command: an older one has been replaced. */
const isAbout = (refused: DispatchRefused, state: Message): boolean =>
  state.status === 'SENT' && state.seq === refused.seq

/** A refusal that came before is a duplicate; one of a message with an outcome contradicts it. */
function noteOther(refused: DispatchRefused, scope: OutboundScope): void {
  const state = messageOf(scope.state)
  if (state !== undefined && state.seq > refused.seq && !isFinal(state.status))
    return scope.note('orch.stage', { stage: 'publish', result: 'duplicate' })
  noteRefusal(scope, state?.status ?? null, 'DEAD_LETTER')
}

function tellRefusal(refused: DispatchRefused, scope: OutboundScope, run: Run): void {
  const request = requestIn(refused.command)
  tell(scope, request, request, run)
  scope.emit('fact', refusedFact(refused))
}

/** The request that the command was made from: a command says all of it again [SC5]. */
function requestIn(command: DispatchCommand): OutboundRequest {
  const request: OutboundRequest = {
    schemaVersion: command.schemaVersion,
    eventId: requestEventId(command.messageId),
    occurredAt: command.enqueuedAt,
    messageId: command.messageId,
    tenantId: command.tenantId,
    accountId: command.accountId,
    to: command.to,
    from: command.from,
    body: command.body,
    messageType: command.messageType,
    encoding: command.encoding,
    segmentCount: command.segmentCount,
    enqueuedAt: command.enqueuedAt,
    expiresAt: command.expiresAt,
  }
  if (command.sendAt !== undefined) request.sendAt = command.sendAt
  if (command.callbackUrl !== undefined) request.callbackUrl = command.callbackUrl
  if (command.metadata !== undefined) request.metadata = command.metadata
  return request
}
