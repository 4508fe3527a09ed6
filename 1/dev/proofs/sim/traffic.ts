import type { OutboundCancel, OutboundRequest } from '../../../streams/contracts/outbound.ts'
import type { Dice } from './dice.ts'
import { eventId, HOUR_MS, instant, MINUTE_MS, OPERATORS } from './checks/ids.ts'
import type { RouteScript, Routing } from './routing.ts'
import type { Sender } from './sender.ts'
import type { VirtualTime } from './virtual-time.ts'

export const REQUESTS = 'sms.outbound.request'
export const CANCELS = 'sms.outbound.cancel'
export const RESULTS = 'smpp.submit.result'
export const RECEIPTS = 'sms.dlr.inbound'

/** A message that was accepted, and how it must fare until an operator has it. */
export interface Accepted {
  readonly request: OutboundRequest
  readonly valid: boolean
  /** Somebody does not want it any more; perhaps too late. */
  readonly cancelled: boolean
}

export interface TrafficOptions {
  readonly dice: Dice
  readonly time: VirtualTime
  readonly sender: Sender
  readonly routing: Routing
  readonly messages: number
  readonly spreadMs: number
}

const SCRIPTS: Readonly<Record<RouteScript, number>> = {
  found: 84,
  absent: 4,
  refused: 4,
  empty: 3,
  unavailable: 5,
}

/** What clients and their networks do: messages, the same message twice, and garbage. */
export function sendTraffic(options: TrafficOptions): Map<string, Accepted> {
  const { dice, sender, messages, spreadMs } = options
  const accepted = new Map<string, Accepted>()
  for (let n = 0; n < messages; n += 1) {
    const message = newMessage(options, n)
    const { request } = message
    accepted.set(request.messageId, message)
    const sending = { topic: REQUESTS, value: request }
    const atMs = dice.int(0, spreadMs)
    sender.after(atMs, { ...sending, id: request.messageId })
    if (dice.chance(0.15)) sender.after(atMs + dice.int(0, 5000), sending)
    if (message.cancelled) sendCancel(options, request, atMs)
  }
  for (const topic of [REQUESTS, CANCELS, RESULTS, RECEIPTS]) {
    if (dice.chance(0.2)) sender.after(dice.int(0, spreadMs), garbage(dice, topic))
  }
  if (dice.chance(0.1)) flood(options)
  return accepted
}

/** Before or behind the request, before or behind its instant, and sometimes twice. */
function sendCancel({ dice, sender }: TrafficOptions, request: OutboundRequest, atMs: number): void {
  const { messageId, tenantId, accountId, enqueuedAt, sendAt = enqueuedAt } = request
  const id = eventId('cancel', messageId)
  const ids = { messageId, tenantId, accountId }
  const occurredAt = enqueuedAt
  const value: OutboundCancel = { schemaVersion: '1.0', eventId: id, occurredAt, ...ids, enqueuedAt, sendAt }
  const cancelMs = Math.max(0, atMs + dice.int(-2000, SCHEDULED_MS_MAX))
  sender.after(cancelMs, { topic: CANCELS, id, value })
  if (dice.chance(0.3)) sender.after(cancelMs + dice.int(0, 5000), { topic: CANCELS, value })
}

/** What nobody sent, and an operator that does not stop reporting on it. */
export const FLOODED_ID = 'FLOOD-1'
/** More than any memory per id holds. */
const FLOOD = 40

/** Each a minute after the last, and all of them once more: every memory per id fills. */
function flood({ dice, time, sender }: TrafficOptions): void {
  const { operatorId } = dice.pick(OPERATORS.filter(({ ids }) => ids === 'exact'))
  const startMs = time.wallMs
  for (let minute = 0; minute < FLOOD; minute += 1) {
    const receivedAt = instant(startMs + minute * MINUTE_MS)
    const id = eventId('dlr', operatorId, FLOODED_ID, 'DELIVRD', receivedAt)
    const value = {
      schemaVersion: '1.0',
      eventId: id,
      occurredAt: receivedAt,
      operatorId,
      operatorMessageId: FLOODED_ID,
      stat: 'DELIVRD',
      errorCode: '000',
      deliveredAt: null,
      receivedAt,
    }
    const atMs = dice.int(0, 3000)
    sender.after(atMs, { topic: RECEIPTS, id, value })
    sender.after(atMs + dice.int(0, 8000), { topic: RECEIPTS, value })
  }
}

const SCHEDULED_MS_MAX = 20_000

function newMessage({ dice, time, routing }: TrafficOptions, n: number): Accepted {
  const messageId = eventId('sim-message', dice.next(), n)
  const parts = dice.pick([1, 1, 1, 1, 2, 3])
  const valid = !dice.chance(0.05)
  routing.plans.set(messageId, {
    script: dice.weighted(SCRIPTS),
    operatorId: dice.pick(OPERATORS).operatorId,
  })
  const enqueuedAt = time.wallMs - dice.int(0, 1000)
  const sendAtMs = dice.chance(0.25) ? enqueuedAt + dice.int(1, SCHEDULED_MS_MAX) : undefined
  const request: OutboundRequest = {
    schemaVersion: '1.0',
    eventId: eventId('request', messageId),
    occurredAt: instant(enqueuedAt),
    messageId,
    tenantId: eventId('sim-tenant', n % 3),
    accountId: eventId('sim-account', n % 5),
    to: `+4477009${String(n).padStart(5, '0')}`,
    from: 'GHASI',
    // 153 septets fit into each part of a long message.
    body: parts === 1 ? `Your code is ${n}` : 'x'.repeat(153 * parts - 5),
    messageType: 'SMS',
    encoding: 'GSM7',
    segmentCount: valid ? parts : parts + 1,
    enqueuedAt: instant(enqueuedAt),
    expiresAt: instant((sendAtMs ?? enqueuedAt) + 48 * HOUR_MS),
    ...(sendAtMs !== undefined && { sendAt: instant(sendAtMs) }),
    ...(dice.chance(0.3) && { callbackUrl: 'https://example.org/hook' }),
    ...(dice.chance(0.3) && { metadata: { campaignId: `c${n}` } }),
  }
  return { request, valid, cancelled: sendAtMs !== undefined && dice.chance(0.5) }
}

const garbage = (dice: Dice, topic: string) => ({
  topic,
  value: dice.pick(['{"schemaVersion":', '{}', '{"schemaVersion":"9.0"}', 'null', '[1]']),
})
