import type {
  DeadLetterReason,
  DispatchCommand,
  DispatchRefused,
  OutboundDeadLetter,
  OutboundRequest,
  OutboundRetry,
  StatusEvent,
} from '../../streams/contracts/outbound.ts'
import type { ExpectedFact, RefusedFact } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import {
  commandEventId,
  deadLetterEventId,
  expectedFactEventId,
  refusedFactEventId,
  retryEventId,
  statusEventId,
} from '../../streams/domain/event-id.ts'
import { instantOf } from '../instant.ts'
import type { Message, Run, Transition, TakenRoute } from './message.ts'

/**
 * The events of a transition. Pure functions of request and run: called again, they give the same
 * bytes.
 */

/** A transition with its place: the seq of a message counts through all of its runs. */
export interface Placed {
  readonly run: Run
  readonly step: Transition
  readonly seq: number
  readonly previous: Run['from']
}

export function placed(run: Run, index: number): Placed {
  const step = run.steps[index]
  if (step === undefined) throw new Error(`run ${run.position} has no step ${index}`)
  const previous = index === 0 ? run.from : (run.steps[index - 1]?.status ?? null)
  return { run, step, seq: run.firstSeq + index, previous }
}

export type About = Pick<Message, 'tenantId' | 'accountId' | 'segmentCount' | 'enqueuedAt'>

// Optional members are assigned afterwards and not spread in: a conditional spread costs more than
// the rest of the event.

export function statusEvent(
  messageId: string,
  about: About,
  { run, step, seq, previous }: Placed,
): StatusEvent {
  const event: StatusEvent = {
    schemaVersion: SCHEMA_VERSION,
    eventId: statusEventId(messageId, seq),
    occurredAt: instantOf(step.at),
    messageId,
    tenantId: about.tenantId,
    accountId: about.accountId,
    previousStatus: previous,
    newStatus: step.status,
    seq,
    attemptCount: step.attempt,
    segmentCount: about.segmentCount,
    enqueuedAt: about.enqueuedAt,
  }
  if (run.route !== undefined && isRouted(step)) {
    event.operatorId = run.route.operatorId
    event.routeId = run.route.routeId
  }
  if (step.error !== undefined) event.error = step.error
  return event
}

const BEFORE_ROUTED: ReadonlySet<string> = new Set(['SCHEDULED', 'CANCELLED', 'QUEUED', 'ROUTING'])
/** An operator has been found for it. */
export const isRouted = (step: Transition): boolean => !BEFORE_ROUTED.has(step.status)

export const retryEvent = (
  request: OutboundRequest,
  { step, seq }: Placed,
  retryAtMs: number,
): OutboundRetry => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: retryEventId(request.messageId, seq),
  occurredAt: instantOf(step.at),
  messageId: request.messageId,
  tenantId: request.tenantId,
  accountId: request.accountId,
  attempt: step.attempt,
  reason: step.error?.code ?? 'UNKNOWN',
  failedAt: instantOf(step.at),
  nextAttemptAt: instantOf(retryAtMs),
  enqueuedAt: request.enqueuedAt,
})

export const deadLetterEvent = (
  request: OutboundRequest,
  { step, seq }: Placed,
  reason: DeadLetterReason,
): OutboundDeadLetter => ({
  ...request,
  schemaVersion: SCHEMA_VERSION,
  eventId: deadLetterEventId(request.messageId, seq),
  occurredAt: instantOf(step.at),
  attemptCount: step.attempt,
  reason,
  failureReason: step.error?.detail ?? reason,
  finalStatus: step.status === 'FAILED' ? 'FAILED' : 'DEAD_LETTER',
  seq,
  failedAt: instantOf(step.at),
})

/** `sentSeq` is the seq of the transition to SENT. */
export function commandEvent(
  request: OutboundRequest,
  route: TakenRoute,
  sentSeq: number,
  atMs: number,
): DispatchCommand {
  const at = instantOf(atMs)
  const command: DispatchCommand = {
    schemaVersion: SCHEMA_VERSION,
    eventId: commandEventId(request.messageId, sentSeq),
    occurredAt: at,
    messageId: request.messageId,
    tenantId: request.tenantId,
    accountId: request.accountId,
    to: request.to,
    from: request.from,
    body: request.body,
    messageType: request.messageType,
    encoding: request.encoding,
    segmentCount: request.segmentCount,
    enqueuedAt: request.enqueuedAt,
    expiresAt: request.expiresAt,
    longMessageStrategy: route.strategy,
    operatorId: route.operatorId,
    routeId: route.routeId,
    routedAt: at,
  }
  if (request.sendAt !== undefined) command.sendAt = request.sendAt
  if (request.callbackUrl !== undefined) command.callbackUrl = request.callbackUrl
  if (request.metadata !== undefined) command.metadata = request.metadata
  return command
}

export function expectedFact(
  request: OutboundRequest,
  route: TakenRoute,
  sentSeq: number,
  atMs: number,
): ExpectedFact {
  const at = instantOf(atMs)
  const fact: ExpectedFact = {
    schemaVersion: SCHEMA_VERSION,
    eventId: expectedFactEventId(request.messageId, sentSeq),
    occurredAt: at,
    kind: 'EXPECTED',
    messageId: request.messageId,
    tenantId: request.tenantId,
    accountId: request.accountId,
    to: request.to,
    operatorId: route.operatorId,
    segmentCount: request.segmentCount,
    expectedSegments: route.strategy === 'TLV' ? 1 : request.segmentCount,
    sentAt: at,
    enqueuedAt: request.enqueuedAt,
  }
  if (request.callbackUrl !== undefined) fact.callbackUrl = request.callbackUrl
  if (request.metadata !== undefined) fact.metadata = request.metadata
  return fact
}

/** Of a command that NATS refused: what `segments` was told to expect will not come. */
export const refusedFact = (refused: DispatchRefused): RefusedFact => ({
  schemaVersion: SCHEMA_VERSION,
  eventId: refusedFactEventId(refused.messageId, refused.seq),
  occurredAt: refused.occurredAt,
  kind: 'REFUSED',
  messageId: refused.messageId,
  tenantId: refused.tenantId,
  accountId: refused.accountId,
  sentAt: refused.command.routedAt,
})
