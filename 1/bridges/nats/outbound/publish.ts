import { errors, type MsgHdrs } from '@nats-io/transport-node'
import { AckedPublishes } from '../../../streams/nats/acked-publishes.ts'
import type { NatsLink } from '../../../streams/nats/link.ts'
import type { StreamAnswer } from '../../../streams/nats/stream-answer.ts'

export interface Publication {
  readonly subject: string
  readonly messageId: string
  readonly headers: MsgHdrs
  readonly payload: Buffer
  /**
   * Sequence of the last message under this subject; 0: there is none. When there is another one by
   * the time that the message arrives, however late, the stream does not take it. Undefined: it
   * takes any.
   */
  readonly lastSequence?: number | undefined
}

/** `refused` is final: no repetition will help. */
export type Published =
  | { readonly kind: 'stored'; readonly duplicate: boolean; readonly sequence: number }
  | { readonly kind: 'refused'; readonly message: string }

export interface Publisher {
  /**
   * Rejects with PublishError when nothing is known: publish again with the same id. With
   * SubjectMoved when the stream has not taken it, being further than `lastSequence`. `permit` is
   * called in the turn in which the message leaves; when it throws, nothing has left.
   */
  publish(publication: Publication, permit: () => void): Promise<Published>
}

/** Somebody else has published under the subject, or what was there has expired. */
export class SubjectMoved extends Error {
  override readonly name = 'SubjectMoved'
}

/** The stream did not acknowledge: it may or may not have the message. */
export class PublishError extends Error {
  override readonly name = 'PublishError'
  readonly stream: string

  constructor(stream: string, reason: string) {
    super(`stream ${stream} did not acknowledge: ${reason}`)
    this.stream = stream
  }
}

// A full disk and a lost leader show as silence [F17]. Longer than an election takes.
const ACK_MS_MAX = 10_000
// "message size exceeds maximum allowed" of the JetStream API.
const MESSAGE_TOO_LARGE = 10_054
// "wrong last sequence".
const WRONG_LAST_SEQUENCE = 10_071

/**
 * Publishes to one stream. While the connection is lost it waits for the next, or for `stop`: the
 * client library would keep publishes in memory without a bound, and count their time-outs.
 */
export function natsPublisher(link: NatsLink, stream: string, stop: AbortSignal): Publisher {
  const publishes = new AckedPublishes({ link })
  return {
    async publish({ subject, payload, headers, messageId, lastSequence }, permit) {
      headers.set('Nats-Msg-Id', messageId)
      if (lastSequence !== undefined) headers.set('Nats-Expected-Last-Subject-Sequence', String(lastSequence))
      await link.whenConnected(stop)
      let isPermitted = false
      const permitted = () => {
        permit()
        isPermitted = true
      }
      const outgoing = { subject, payload, headers, ackMsMax: ACK_MS_MAX, permit: permitted }
      return publishes.publish(outgoing).then(
        (answer) => publishedAs(stream, answer),
        (error: unknown) => {
          if (!isPermitted) throw error
          return unsent(stream, error)
        },
      )
    },
  }
}

function publishedAs(stream: string, answer: StreamAnswer): Published {
  if (answer.kind === 'stored') return answer
  if (answer.kind === 'refused' && answer.code === WRONG_LAST_SEQUENCE)
    throw new SubjectMoved(`stream ${stream} holds more than was expected`)
  if (answer.kind === 'refused' && answer.code === MESSAGE_TOO_LARGE)
    return { kind: 'refused', message: 'larger than max_msg_size of the stream' }
  throw new PublishError(stream, answer.reason)
}

/**
 * Headers and subject are well-formed by construction, so an invalid argument can only be the size
 * of the payload.
 */
function unsent(stream: string, error: unknown): Published {
  if (error instanceof errors.InvalidArgumentError)
    return { kind: 'refused', message: 'larger than max_payload of the server' }
  throw new PublishError(stream, error instanceof Error ? error.name : 'unknown')
}
