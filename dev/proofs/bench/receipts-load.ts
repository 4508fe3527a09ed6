import { setTimeout as sleep } from 'node:timers/promises'
import { headers as natsHeaders } from '@nats-io/transport-node'
import type { Pool } from 'pg'
import { z } from 'zod'
import { encode } from '../../../streams/contracts/decode.ts'
import { inboundReceipts } from '../../../streams/contracts/receipts.ts'
import type { AckedPublishes } from '../../../streams/nats/acked-publishes.ts'
import { receiptOf, type SentMessage } from './receipts-messages.ts'

const TICK_MS = 5
const ACK_MS_MAX = 30_000

/**
 * Open loop: a receipt leaves when it is due, however many are under way. Answers when each was
 * due, by message.
 */
export async function sendReceipts(
  publishes: AckedPublishes,
  messages: readonly SentMessage[],
  perSecond: number,
): Promise<ReadonlyMap<string, number>> {
  const dueMs = new Map<string, number>()
  const acks: Promise<unknown>[] = []
  const startMs = Date.now()
  for (let sent = 0; sent < messages.length; ) {
    const due = Math.min(messages.length, Math.floor(((Date.now() - startMs) / 1000) * perSecond))
    for (const message of messages.slice(sent, due)) {
      const atMs = Math.round(startMs + (sent * 1000) / perSecond)
      dueMs.set(message.messageId, atMs)
      acks.push(publish(publishes, message, atMs))
      sent += 1
    }
    await sleep(TICK_MS)
  }
  await Promise.all(acks)
  return dueMs
}

async function publish(publishes: AckedPublishes, message: SentMessage, atMs: number): Promise<void> {
  const receipt = receiptOf(message, atMs)
  const headers = natsHeaders()
  headers.set('Nats-Msg-Id', `${inboundReceipts.name}:${receipt.eventId}`)
  for (const [name, value] of Object.entries(inboundReceipts.headers(receipt))) headers.set(name, value)
  const payload = encode(receipt)
  await publishes.publish({ subject: inboundReceipts.name, payload, headers, ackMsMax: ACK_MS_MAX })
}

const Row = z.object({ message_id: z.string(), at: z.date() })
const LOOK_MS = 500

/**
 * When the transaction began that wrote the outcome of each message; gives up when none has come
 * for a while.
 */
export async function outcomesOf(
  sql: Pool,
  messageIds: readonly string[],
  idleMsMax: number,
): Promise<ReadonlyMap<string, number>> {
  let found = new Map<string, number>()
  for (let changedMs = Date.now(); found.size < messageIds.length; ) {
    const { rows } = await sql.query(
      'SELECT message_id, created_at AS at FROM dlr.delivery_receipts WHERE message_id = ANY($1::uuid[])',
      [messageIds],
    )
    const now = new Map(
      z
        .array(Row)
        .parse(rows)
        .map((row) => [row.message_id, row.at.getTime()]),
    )
    if (now.size > found.size) changedMs = Date.now()
    found = now
    if (Date.now() - changedMs > idleMsMax) return found
    await sleep(LOOK_MS)
  }
  return found
}
