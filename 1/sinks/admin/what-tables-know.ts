import type { ClientBase } from 'pg'
import { z } from 'zod'
import type { OutboundDeadLetter } from '../../streams/contracts/outbound.ts'

const Known = z.object({
  was_accepted: z.boolean(),
  died_later: z.boolean(),
  status: z.string().nullable(),
  status_seq: z.number().nullable(),
  dlr_status: z.string().nullable(),
})
type Known = z.infer<typeof Known>

/**
 * Why this dead letter must not be issued again; undefined: nothing is against it.
 *
 * `outbound` decides by its own row, but that lives for 96 h after the last transition [DB91], and
 * a topology that was rebuilt from nothing may have buried a message that was sent in its former
 * life. The tables remember longer, so what they know of a message that has left is asked first: it
 * must not be sent twice nor billed twice.
 */
export async function whyNot(client: ClientBase, letter: OutboundDeadLetter): Promise<string | undefined> {
  if (letter.finalStatus !== 'DEAD_LETTER')
    return `the message is FAILED (${letter.reason}): sent again as it is, it would fail again`
  const { rows } = await client.query(WHAT_IS_KNOWN, [
    letter.messageId,
    letter.enqueuedAt,
    letter.eventId,
    letter.seq,
  ])
  return refusalOf(Known.parse(rows[0]), letter)
}

const WHAT_IS_KNOWN = `
  SELECT status, status_seq, dlr_status,
    EXISTS (SELECT FROM smpp.message_correlations WHERE message_id = $1) AS was_accepted,
    EXISTS (
      SELECT FROM orch.dead_letters
      WHERE message_id = $1 AND dead_letter_id <> $3 AND (payload->>'seq')::integer > $4
    ) AS died_later
  FROM (SELECT $1::uuid AS message_id, $2::timestamptz AS enqueued_at) AS asked
  LEFT JOIN orch.sms_messages USING (message_id, enqueued_at)`

function refusalOf(known: Known, { seq }: OutboundDeadLetter): string | undefined {
  const { status, status_seq: seqNow, dlr_status: outcome } = known
  if (known.was_accepted) return 'an operator has accepted a segment of this message'
  if (outcome !== null) return `the message has an outcome: ${outcome}`
  if (known.died_later) return 'the message was replayed and died again: its later dead letter counts'
  if (status === null || seqNow === null)
    return 'the message has no row any more, so nobody could follow where it goes'
  if (seqNow > seq || (seqNow === seq && status !== 'DEAD_LETTER'))
    return `the message has gone on since: it is ${status}`
  if (seqNow < seq)
    return `the table still shows the message as ${status}: the sink is behind, try again later`
  return undefined
}
