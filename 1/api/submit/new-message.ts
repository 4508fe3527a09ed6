import { outboundRequests, type OutboundRequest } from '../../streams/contracts/outbound.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import { encodingOf, segmentCount } from '../../streams/domain/message/text-segments.ts'
import type { Publication } from '../outbox/event-publisher.ts'
import { LIFETIME_MS_MAX, type SubmitCommand } from './command.ts'
import type { KeyClaim } from './idempotency.ts'
import type { NewMessage } from './message-store.ts'
import type { SubmitDeps, SubmitRequest } from './submit.ts'

type Chance = Pick<SubmitDeps, 'now' | 'newId'>
type Sender = Pick<SubmitRequest, 'identity' | 'trace'>

/** A command becomes a message: from here on it has an id, a time, and a size in segments. */
export function newMessage(
  chance: Chance,
  { identity, trace }: Sender,
  command: SubmitCommand,
  claim: KeyClaim | undefined,
): NewMessage {
  const request = requestEvent(chance, identity, command)
  const { messageId, segmentCount, encoding, enqueuedAt, sendAt } = request
  return {
    request,
    publication: publicationOf(request, trace),
    reply: {
      messageId,
      status: sendAt === undefined ? 'QUEUED' : 'SCHEDULED',
      segmentCount,
      encoding,
      enqueuedAt,
      ...(sendAt !== undefined && { sendAt }),
    },
    claim,
  }
}

/** [SC1] */
function requestEvent(
  { now, newId }: Chance,
  { tenantId, accountId }: Sender['identity'],
  command: SubmitCommand,
): OutboundRequest {
  const nowMs = now()
  const messageId = newId()
  const enqueuedAt = new Date(nowMs).toISOString()
  const startMs = command.sendAt === undefined ? nowMs : Date.parse(command.sendAt)
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: requestEventId(messageId),
    occurredAt: enqueuedAt,
    messageId,
    tenantId,
    accountId,
    ...command,
    encoding: encodingOf(command.body),
    segmentCount: segmentCount(command.body),
    enqueuedAt,
    expiresAt: command.expiresAt ?? new Date(startMs + LIFETIME_MS_MAX).toISOString(),
  }
}

const publicationOf = (request: OutboundRequest, trace: Readonly<Record<string, string>>): Publication => ({
  subject: outboundRequests.name,
  // [EV50]: the gateway before this one uses the same, so NATS takes a message of both once.
  msgId: request.messageId,
  headers: { ...outboundRequests.headers(request), ...trace },
  payload: JSON.stringify(request),
})
