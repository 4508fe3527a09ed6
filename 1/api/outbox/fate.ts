import { z } from 'zod'
import type { EventPublisher } from './event-publisher.ts'

/** What became of one outbox row at one try. */
export type Fate = { readonly kind: 'done'; readonly id: string } | Left

export interface Left {
  readonly kind: 'left'
  readonly id: string
  /** Before this try. */
  readonly attempts: number
  /** Absent when nothing is known. */
  readonly refusal?: { readonly reason: string; readonly triesMax: number }
}

const OutboxRow = z.object({
  id: z.string(),
  subject: z.string(),
  msg_id: z.string(),
  headers: z.record(z.string(), z.string()),
  payload: z.unknown(),
  attempts: z.number(),
})
const Counted = z.object({ id: z.string(), attempts: z.number() })

/** A server with other limits may be on its way; five tries span about a minute. */
const REFUSALS_MAX = 5
/** The relay has time: a slow NATS still gets everything. */
const ACK_MS_MAX = 5_000
export const WAIT_MS_MAX = 300_000

/** After the try that follows `attempts` others: 2, 4, 8 ... s. */
export const waitMs = (attempts: number): number => Math.min(WAIT_MS_MAX, 2_000 * 2 ** Math.min(attempts, 20))

/** Each row is read by itself, so that an unreadable one spoils only itself. Never rejects. */
export async function fateOf(
  { publisher }: { readonly publisher: EventPublisher },
  row: unknown,
): Promise<Fate> {
  const read = OutboxRow.safeParse(row)
  if (!read.success) {
    const refusal = { reason: 'unreadable', triesMax: 1 }
    return { kind: 'left', ...Counted.parse(row), refusal }
  }
  const { id, subject, msg_id: msgId, headers, payload, attempts } = read.data
  const event = { subject, msgId, headers, payload: JSON.stringify(payload) }
  const published = await publisher.publish(event, ACK_MS_MAX)
  if (published.kind === 'acknowledged') return { kind: 'done', id }
  if (published.kind !== 'refused') return { kind: 'left', id, attempts }
  return { kind: 'left', id, attempts, refusal: { reason: published.reason, triesMax: REFUSALS_MAX } }
}
