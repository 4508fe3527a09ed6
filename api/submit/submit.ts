import { outboundRequests, type OutboundRequest } from '../../streams/contracts/outbound.ts'
import { natsMessageId } from '../../streams/contracts/subjects.ts'
import { SCHEMA_VERSION } from '../../streams/contracts/topic.ts'
import { requestEventId } from '../../streams/domain/event-id.ts'
import { encodingOf, segmentCount } from '../../streams/domain/message/text-segments.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { LIFETIME_MS_MAX, type SubmitCommand } from './command.ts'
import type { EventPublisher, Publication } from '../outbox/event-publisher.ts'
import { claimOf, judge, type KeyClaim, type StoredReply, type SubmitReply } from './idempotency.ts'
import type { Instruments } from '../instruments.ts'
import { storedReplyOf, type MessageStore, type NewMessage } from './message-store.ts'
import type { DeliveredRows } from '../outbox/deletion.ts'
import type { ReplyCache } from './reply-cache.ts'
import { inSpan } from '../../streams/platform/tracing.ts'
import type { Identity } from '../middleware/token.ts'

/** How long a client waits for NATS after its message is safe [SM23]. */
export const PUBLISH_ACK_MS_MAX = 500
/**
 * A key may expire, or be purged, just between two looks at it. When this seems to happen more
 * often, the key belongs to another tenant.
 */
const INSERTIONS_MAX = 3

export interface SubmitRequest {
  readonly identity: Pick<Identity, 'tenantId' | 'accountId'>
  readonly command: SubmitCommand
  readonly idempotencyKey: string | undefined
  readonly trace: Readonly<Record<string, string>>
}

export type SubmitOutcome =
  | { readonly kind: 'accepted' | 'replayed'; readonly reply: SubmitReply }
  | { readonly kind: 'conflict' }

export interface SubmitDeps {
  readonly cache: ReplyCache
  readonly store: MessageStore
  readonly publisher: EventPublisher
  readonly delivered: DeliveredRows
  readonly instruments: Instruments
  readonly logger: Logger
  readonly now: () => number
  readonly newId: () => string
}

export type Submit = (request: SubmitRequest) => Promise<SubmitOutcome>

/**
 * Takes one message in the order of [SM23]: the key's reply if it has one, else one transaction,
 * then the cache and the publish side by side. Once the transaction has committed the message is
 * accepted, whatever fails after it: the outbox relay publishes what was not acknowledged. Throws
 * DependencyUnavailable when Postgres is away.
 */
export const createSubmit =
  (deps: SubmitDeps): Submit =>
  async (request) => {
    const claim =
      request.idempotencyKey === undefined
        ? undefined
        : claimOf(request.identity.accountId, request.idempotencyKey, request.command)
    const outcome = (await cachedOutcome(deps, request, claim)) ?? (await store(deps, request, claim))
    if (outcome.kind !== 'conflict')
      deps.instruments.submits.inc({ result: outcome.kind === 'replayed' ? 'replay' : 'accepted' })
    return outcome
  }

async function cachedOutcome(
  deps: SubmitDeps,
  { identity }: SubmitRequest,
  claim: KeyClaim | undefined,
): Promise<SubmitOutcome | undefined> {
  if (claim === undefined) return undefined
  const cached = await inSpan('api', 'orch.idempotency.check', {}, () => deps.cache.get(claim.hash))
  return outcomeOf(claim, identity.tenantId, cached, deps.now())
}

function outcomeOf(
  claim: KeyClaim,
  tenantId: string,
  stored: StoredReply | undefined,
  nowMs: number,
): SubmitOutcome | undefined {
  const verdict = judge(claim, tenantId, stored, nowMs)
  if (verdict === 'conflict') return { kind: 'conflict' }
  return verdict === 'replay' && stored !== undefined ? { kind: 'replayed', reply: stored.reply } : undefined
}

async function store(
  deps: SubmitDeps,
  request: SubmitRequest,
  claim: KeyClaim | undefined,
): Promise<SubmitOutcome> {
  for (let insertion = 1; insertion <= INSERTIONS_MAX; insertion++) {
    const message = newMessage(deps, request, claim)
    const attributes = spanAttributes(message.request)
    const stored = await inSpan('api', 'orch.pg.insert', { attributes }, () => deps.store.insert(message))
    if (stored.kind === 'stored') return accept(deps, message)
    const taken = claim && outcomeOf(claim, request.identity.tenantId, stored.by, deps.now())
    if (taken !== undefined) return taken
  }
  return { kind: 'conflict' }
}

async function accept(deps: SubmitDeps, message: NewMessage): Promise<SubmitOutcome> {
  const { request, reply, claim } = message
  const cached = claim && deps.cache.set(claim.hash, storedReplyOf(message, claim))
  await inSpan('api', 'orch.nats.publish', { attributes: spanAttributes(request) }, () =>
    publish(deps, message),
  )
  await cached
  deps.logger.info('orch.submitted', {
    messageId: request.messageId,
    tenantId: request.tenantId,
    accountId: request.accountId,
    status: reply.status,
    body_len: request.body.length,
  })
  return { kind: 'accepted', reply }
}

async function publish(deps: SubmitDeps, { request, publication }: NewMessage): Promise<void> {
  if (await deps.publisher.publish(publication, PUBLISH_ACK_MS_MAX))
    deps.delivered.add({ eventId: request.eventId, createdAt: request.enqueuedAt })
}

const spanAttributes = (request: OutboundRequest) => ({
  'sms.message_id': request.messageId,
  'sms.tenant_id': request.tenantId,
  'sms.account_id': request.accountId,
})

function newMessage(deps: SubmitDeps, submitted: SubmitRequest, claim: KeyClaim | undefined): NewMessage {
  const request = requestEvent(deps, submitted)
  const { messageId, segmentCount, encoding, enqueuedAt } = request
  return {
    request,
    publication: publicationOf(request, submitted.trace),
    reply: { messageId, status: 'QUEUED', segmentCount, encoding, enqueuedAt },
    claim,
  }
}

/** [SC1] */
function requestEvent(deps: SubmitDeps, { identity, command }: SubmitRequest): OutboundRequest {
  const nowMs = deps.now()
  const messageId = deps.newId()
  const enqueuedAt = new Date(nowMs).toISOString()
  return {
    schemaVersion: SCHEMA_VERSION,
    eventId: requestEventId(messageId),
    occurredAt: enqueuedAt,
    messageId,
    tenantId: identity.tenantId,
    accountId: identity.accountId,
    ...command,
    encoding: encodingOf(command.body),
    segmentCount: segmentCount(command.body),
    enqueuedAt,
    expiresAt: command.expiresAt ?? new Date(nowMs + LIFETIME_MS_MAX).toISOString(),
  }
}

const publicationOf = (request: OutboundRequest, trace: Readonly<Record<string, string>>): Publication => ({
  subject: outboundRequests.name,
  msgId: natsMessageId(outboundRequests.name, request.messageId),
  headers: { ...outboundRequests.headers(request), ...trace },
  payload: JSON.stringify(request),
})
