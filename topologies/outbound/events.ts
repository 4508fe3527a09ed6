import type {
  DeadLetterReason,
  DispatchCommand,
  OutboundDeadLetter,
  OutboundRequest,
  OutboundRetry,
  StatusEvent,
} from '../../streams/contracts/outbound.ts'
import type { ExpectedFact } from '../../streams/contracts/receipts.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import {
  commandEventId,
  deadLetterEventId,
  expectedFactEventId,
  retryEventId,
  statusEventId,
} from '../../streams/domain/event-id.ts'
import { instantOf } from '../instant.ts'
import type { Message, Run, Step, TakenRoute } from './message.ts'

/** The events of a transition. Pure functions of request and run: called again, they give the same bytes. */

/** A transition with its place: the seq of a message counts through all of its runs. */
export interface Placed {
  readonly run: Run
  readonly step: Step
  readonly seq: number
  readonly previous: Run['from']
}

export function placed(run: Run, index: number): Placed {
  const step = run.steps[index]
  if (step === undefined) throw new Error(`run ${run.position} has no step ${index}`)
  const previous = index === 0 ? run.from : (run.steps[index - 1]?.status ?? null)
  return { run, step, seq: run.firstSeq + index, previous }
}

const envelope = (eventId: string, atMs: number) => ({
  schemaVersion: SCHEMA_VERSION,
  eventId,
  occurredAt: instantOf(atMs),
})

export type About = Pick<Message, 'tenantId' | 'accountId' | 'segmentCount' | 'enqueuedAt'>

export const statusEvent = (
  messageId: string,
  about: About,
  { run, step, seq, previous }: Placed,
): StatusEvent => ({
  ...envelope(statusEventId(messageId, seq), step.at),
  messageId,
  tenantId: about.tenantId,
  accountId: about.accountId,
  previousStatus: previous,
  newStatus: step.status,
  seq,
  attemptCount: step.attempt,
  segmentCount: about.segmentCount,
  enqueuedAt: about.enqueuedAt,
  ...(run.route !== undefined && isRouted(step) && namesOf(run.route)),
  ...(step.error !== undefined && { error: step.error }),
})

const isRouted = (step: Step): boolean => step.status !== 'QUEUED' && step.status !== 'ROUTING'
const namesOf = ({ operatorId, routeId }: TakenRoute) => ({ operatorId, routeId })

export const retryEvent = (
  request: OutboundRequest,
  { step, seq }: Placed,
  retryAtMs: number,
): OutboundRetry => ({
  ...envelope(retryEventId(request.messageId, seq), step.at),
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
  ...envelope(deadLetterEventId(request.messageId, seq), step.at),
  attemptCount: step.attempt,
  reason,
  failureReason: step.error?.detail ?? reason,
  finalStatus: step.status === 'FAILED' ? 'FAILED' : 'DEAD_LETTER',
  seq,
  failedAt: instantOf(step.at),
})

/** `sentSeq` is the seq of the transition to SENT. */
export const commandEvent = (
  request: OutboundRequest,
  route: TakenRoute,
  sentSeq: number,
  atMs: number,
): DispatchCommand => ({
  ...request,
  ...envelope(commandEventId(request.messageId, sentSeq), atMs),
  longMessageStrategy: route.strategy,
  operatorId: route.operatorId,
  routeId: route.routeId,
  routedAt: instantOf(atMs),
})

export const expectedFact = (
  request: OutboundRequest,
  route: TakenRoute,
  sentSeq: number,
  atMs: number,
): ExpectedFact => ({
  ...envelope(expectedFactEventId(request.messageId, sentSeq), atMs),
  kind: 'EXPECTED',
  messageId: request.messageId,
  tenantId: request.tenantId,
  accountId: request.accountId,
  to: request.to,
  operatorId: route.operatorId,
  segmentCount: request.segmentCount,
  expectedSegments: route.strategy === 'TLV' ? 1 : request.segmentCount,
  sentAt: instantOf(atMs),
  enqueuedAt: request.enqueuedAt,
  ...(request.callbackUrl !== undefined && { callbackUrl: request.callbackUrl }),
  ...(request.metadata !== undefined && { metadata: request.metadata }),
})
