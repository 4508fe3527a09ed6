import { deadLetterEventId } from '../../streams/domain/event-id.ts'
import type { Message } from './message.ts'

/** Counted from the replay [O4]. */
export const REPLAY_EXPIRES_AFTER_MS = 48 * 3_600_000

const DEAD_LETTER = /^([0-9a-f-]{36}):([1-9]\d{0,8})$/

/**
 * The seq at which the message died, when the header of this record is a valid order to replay it
 * ([O4], [T12]); else null.
 *
 * A dead letter's id is derived from message and seq, so it need not be remembered to be used once
 * only: after the replay the seq of the message has gone on. Of a message that is not known any
 * more the header is the only witness.
 */
export function replayedSeq(
  messageId: string,
  header: string | undefined,
  state: Message | undefined,
): number | null {
  const [, deadLetterId, seqText] = DEAD_LETTER.exec(header ?? '') ?? []
  const seq = Number(seqText)
  if (deadLetterId === undefined || deadLetterId !== deadLetterEventId(messageId, seq)) return null
  if (state === undefined) return seq
  return state.status === 'DEAD_LETTER' && state.seq === seq ? seq : null
}
