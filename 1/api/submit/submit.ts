import type { OutboundRequest } from '../../streams/contracts/outbound.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import { inSpan } from '../../streams/platform/tracing.ts'
import type { Instruments } from '../instruments.ts'
import type { Identity } from '../middleware/token.ts'
import type { DeliveredRows } from '../outbox/deletion.ts'
import type { EventPublisher } from '../outbox/event-publisher.ts'
import { DependencyUnavailable, type Fault } from '../problem.ts'
import { timingFaults, type SubmitCommand } from './command.ts'
import { claimOf, judge, type KeyClaim, type StoredReply, type SubmitReply } from './idempotency.ts'
import { storedReplyOf, type MessageStore, type NewMessage } from './message-store.ts'
import { newMessage } from './new-message.ts'
import type { ReplyCache } from './reply-cache.ts'

/** How long a client waits for NATS after its message is safe [SM23]. */
export const PUBLISH_ACK_MS_MAX = 500
/** A key may expire, or be purged, just between two looks at it; this often it does not. */
const INSERTIONS_MAX = 3

export interface SubmitItem {
  readonly command: SubmitCommand
  readonly idempotencyKey: string | undefined
}

export interface SubmitRequest {
  readonly identity: Pick<Identity, 'tenantId' | 'accountId'>
  readonly items: readonly SubmitItem[]
  readonly trace: Readonly<Record<string, string>>
  /** [FL2]: everything is done and rolled back; nothing is published or cached. */
  readonly isShadow?: boolean
}

export type SubmitOutcome =
  | { readonly kind: 'accepted' | 'replayed'; readonly reply: SubmitReply }
  | { readonly kind: 'conflict' }
  /** The times that a new message asks for have passed, or are too far away. */
  | { readonly kind: 'untimely'; readonly errors: readonly Fault[] }

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

/** One outcome per item, in order. */
export type Submit = (request: SubmitRequest) => Promise<readonly SubmitOutcome[]>

/** An item on its way: nothing is decided while it has no outcome. */
interface Entry extends SubmitItem {
  readonly claim: KeyClaim | undefined
  outcome?: SubmitOutcome
}

/**
 * Takes messages in the order of [SM23]: the key's reply if it has one, else one transaction, then
 * the cache and the publish side by side. Once the transaction has committed a message is accepted,
 * whatever fails after it: the outbox relay publishes what was not acknowledged. Throws
 * DependencyUnavailable when Postgres is away and Redis does not know the key.
 */
export const createSubmit =
  (deps: SubmitDeps): Submit =>
  async (request) => {
    const entries = request.items.map((item): Entry => ({ ...item, claim: claimFor(request, item) }))
    const looked = lookIntoCache(deps, entries)
    // One message does not wait for Redis [SM15]: Postgres would say the same, and while other
    // transactions are under way the answer of Redis comes before its own begins.
    if (entries.length > 1) await looked
    try {
      await refuseUntimely(deps, request, entries, looked)
      for (let insertion = 1; insertion <= INSERTIONS_MAX && open(entries).length > 0; insertion++)
        await insertOpen(deps, request, open(entries), insertion > 1)
    } catch (error) {
      await looked
      if (open(entries).length > 0) throw error
    }
    return entries.map((entry) => counted(deps, entry))
  }

const claimFor = ({ identity }: SubmitRequest, { command, idempotencyKey }: SubmitItem) =>
  idempotencyKey === undefined ? undefined : claimOf(identity, idempotencyKey, command)

const open = (entries: readonly Entry[]): readonly Entry[] =>
  entries.filter(({ outcome }) => outcome === undefined)

function counted({ instruments }: SubmitDeps, { outcome }: Entry): SubmitOutcome {
  // Keys that vanish each time they are looked at: nothing is wrong with the request.
  if (outcome === undefined) throw new DependencyUnavailable('postgres', new Error('a key was never at rest'))
  if (outcome.kind === 'accepted') instruments.submits.inc({ result: 'accepted' })
  if (outcome.kind === 'replayed') instruments.submits.inc({ result: 'replay' })
  return outcome
}

async function lookIntoCache({ cache, now }: SubmitDeps, entries: readonly Entry[]): Promise<void> {
  const keyed = entries.filter(({ claim }) => claim !== undefined)
  if (keyed.length === 0) return
  await inSpan('api', 'orch.idempotency.check', {}, () =>
    Promise.all(
      keyed.map(async (entry) => {
        if (entry.claim !== undefined) settle(entry, await cache.get(entry.claim.hash), now())
      }),
    ),
  )
}

function settle(entry: Entry, stored: StoredReply | undefined, nowMs: number): void {
  if (entry.outcome !== undefined || entry.claim === undefined || stored === undefined) return
  const verdict = judge(entry.claim, stored, nowMs)
  if (verdict === 'conflict') entry.outcome = { kind: 'conflict' }
  if (verdict === 'replay') entry.outcome = { kind: 'replayed', reply: stored.reply }
}

/** Only what is new is judged by the clock [SM7], and what is new Postgres decides [SM15]. */
async function refuseUntimely(
  deps: SubmitDeps,
  request: SubmitRequest,
  entries: readonly Entry[],
  looked: Promise<void>,
): Promise<void> {
  const faultsOf = ({ command }: Entry): Fault[] => timingFaults(command, deps.now())
  const untimely = entries.filter((entry) => faultsOf(entry).length > 0)
  if (untimely.length === 0) return
  await looked
  await settleFromPostgres(deps, request, open(untimely))
  for (const entry of open(untimely)) entry.outcome = { kind: 'untimely', errors: faultsOf(entry) }
}

async function settleFromPostgres(deps: SubmitDeps, request: SubmitRequest, entries: readonly Entry[]) {
  const hashes = entries.flatMap(({ claim }) => claim?.hash ?? [])
  if (hashes.length === 0) return
  const stored = await deps.store.storedReplies(request.identity.tenantId, hashes)
  for (const entry of entries) settle(entry, entry.claim && stored.get(entry.claim.hash), deps.now())
}

async function insertOpen(
  deps: SubmitDeps,
  request: SubmitRequest,
  entries: readonly Entry[],
  replaceExpired: boolean,
): Promise<void> {
  const messages = entries.map(({ command, claim }) => newMessage(deps, request, command, claim))
  const attributes = spanAttributes(messages)
  const insertions = await inSpan('api', 'orch.pg.insert', { attributes }, () =>
    deps.store.insert(messages, {
      replaceExpired,
      rollBack: request.isShadow === true,
      isAnswered: () => open(entries).length === 0,
    }),
  )
  const stored = messages.filter((_, index) => insertions[index] === 'stored')
  entries.forEach((entry, index) => {
    const message = messages[index]
    if (message !== undefined && insertions[index] === 'stored')
      entry.outcome = { kind: 'accepted', reply: message.reply }
  })
  if (stored.length > 0 && request.isShadow !== true) await handOn(deps, stored)
  await settleFromPostgres(deps, request, open(entries))
}

/** Never fails: these messages are accepted already. Nobody waits for the cache: it may forget. */
async function handOn(deps: SubmitDeps, messages: readonly NewMessage[]): Promise<void> {
  for (const message of messages)
    if (message.claim !== undefined)
      void deps.cache.set(message.claim.hash, storedReplyOf(message, message.claim))
  await inSpan('api', 'orch.nats.publish', { attributes: spanAttributes(messages) }, () =>
    Promise.all(messages.map((message) => publish(deps, message))),
  )
  for (const message of messages) logSubmitted(deps.logger, message)
}

async function publish(deps: SubmitDeps, { request, publication }: NewMessage): Promise<void> {
  const { kind } = await deps.publisher.publish(publication, PUBLISH_ACK_MS_MAX)
  if (kind === 'acknowledged') deps.delivered.add({ eventId: request.eventId, createdAt: request.enqueuedAt })
}

const logSubmitted = (logger: Logger, { request, reply }: NewMessage): void =>
  logger.info('orch.submitted', {
    messageId: request.messageId,
    tenantId: request.tenantId,
    accountId: request.accountId,
    status: reply.status,
    body_len: request.body.length,
  })

/** A span stands for one message; of several it names whose they are. */
function spanAttributes([first, ...more]: readonly NewMessage[]): Record<string, string> {
  if (first === undefined) return {}
  const { messageId, tenantId, accountId }: OutboundRequest = first.request
  const whose = { 'sms.tenant_id': tenantId, 'sms.account_id': accountId }
  return more.length > 0 ? whose : { 'sms.message_id': messageId, ...whose }
}
