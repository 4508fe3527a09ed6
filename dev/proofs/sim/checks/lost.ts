import { z } from 'zod'
import { outboundRequests } from '../../../../streams/contracts/outbound.ts'
import type { LogRecord } from '../../../../streams/log/port.ts'
import type { World } from '../world.ts'
import { candidatesOf, operatorOf, receiptIdOf } from './ids.ts'
import type { Spared } from './outbound.ts'

/**
 * What the log has lost before every reader was known to be through with it. Who is touched by that
 * may have come to less than was due; it may never come to more, and whoever is not touched comes
 * to all.
 */
export interface Sights {
  /** All that was ever committed, as if nothing had been lost. */
  readonly ever: World
  /** The same without those that are touched. */
  readonly untouched: World
  readonly spared: Spared
}

export function sightsOf(world: World): Sights {
  const { losses, log } = world
  if (losses.count === 0) return { ever: world, untouched: world, spared: NOBODY }
  const unread = losses.unread()
  const touched = new Touched(world, unread)
  const ever = { ...world, log: { ...log, dump: (topic: string) => losses.everIn(topic) } }
  const kept = (topic: string): readonly LogRecord[] =>
    losses.everIn(topic).filter((record) => !touched.has(record))
  const lostRequests = new Set(unread)
  return {
    ever,
    untouched: { ...world, log: { ...log, dump: kept } },
    spared: {
      isTouched: (messageId) => touched.ids.has(messageId),
      mayBeUnread: (messageId) =>
        losses
          .everIn(outboundRequests.name)
          .every((record) => record.key?.toString('utf8') !== messageId || lostRequests.has(record)),
    },
  }
}

const NOBODY: Spared = { isTouched: () => false, mayBeUnread: () => false }

const Receipt = z.object({
  operatorId: z.string(),
  operatorMessageId: z.string(),
  alternateIds: z.array(z.string()).optional(),
})
const About = z.object({
  messageId: z.string().optional(),
  operatorId: z.string().optional(),
  operatorMessageId: z.string().optional(),
  alternateIds: z.array(z.string()).optional(),
  receipt: Receipt.optional(),
})

/** Messages, and the ids that operators gave to their segments, of which something is lost. */
class Touched {
  readonly ids = new Set<string>()
  /** By each id all that stand with it in a submit result or in a receipt. */
  readonly #others = new Map<string, string[]>()

  constructor(world: World, unread: readonly LogRecord[]) {
    for (const { data, subject } of world.nats.stream('SMPP_EVENTS').messages)
      if (subject === 'smpp.submit.result') this.#join(idsIn(data, subject))
    for (const { data, subject } of world.nats.stream('SMS_DLR').messages) this.#join(idsIn(data, subject))
    for (const { topic, value } of unread) for (const id of idsIn(value, topic)) this.#touch(id)
  }

  has({ topic, value }: LogRecord): boolean {
    return idsIn(value, topic).some((id) => this.ids.has(id))
  }

  #join(ids: readonly string[]): void {
    for (const id of ids) this.#others.set(id, [...(this.#others.get(id) ?? []), ...ids])
  }

  #touch(id: string): void {
    if (this.ids.has(id)) return
    this.ids.add(id)
    for (const other of this.#others.get(id) ?? []) this.#touch(other)
  }
}

/** Of the message first, then of its segment as the operator calls it; none of what is garbage. */
function idsIn(value: Buffer | null, topic: string): readonly string[] {
  const read = About.safeParse(parsed(value))
  if (!read.success) return []
  const { messageId, receipt } = read.data
  const { operatorId, operatorMessageId, alternateIds = [] } = receipt ?? read.data
  const own = messageId === undefined ? [] : [messageId]
  if (operatorId === undefined || operatorMessageId === undefined) return own
  const isSubmitted = topic === 'smpp.submit.result' || topic === 'dlr.sent'
  const ids = isSubmitted
    ? [receiptIdOf(operatorId, operatorMessageId)]
    : candidatesOf(operatorId, [operatorMessageId, ...alternateIds])
  return [...own, ...ids.map((id) => `${operatorOf(operatorId).operatorId}:${id}`)]
}

function parsed(value: Buffer | null): unknown {
  try {
    return JSON.parse(value?.toString('utf8') ?? 'null')
  } catch {
    return null
  }
}
