import { errors, headers as natsHeaders, type MsgHdrs } from '@nats-io/transport-node'
import { INBOUND_MIRRORS } from '../../streams/contracts/subjects.ts'
import { AckedPublishes, PublishFailed } from '../../streams/nats/acked-publishes.ts'
import type { NatsLink } from '../../streams/nats/link.ts'
import type { Instruments } from '../instruments.ts'

/** One event on its way to NATS: what an outbox row holds. */
export interface Publication {
  readonly subject: string
  /** Nats-Msg-Id: a second publish of the same one is not stored again. */
  readonly msgId: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

/** `unknown`: it may or may not be stored. `refused` is final: no repetition will help. */
export type Published =
  | { readonly kind: 'acknowledged' | 'unknown' }
  | { readonly kind: 'refused'; readonly reason: string }

export interface EventPublisher {
  readonly connected: boolean
  /** Ends within `ackMsMax`. Never rejects. */
  publish(event: Publication, ackMsMax: number): Promise<Published>
}

export interface PublisherOptions {
  readonly link: NatsLink
  /** Put before every subject, so that tests can share a server. */
  readonly subjectPrefix?: string
  readonly instruments: Instruments
  /** Monotonic ms. */
  readonly monotonic: () => number
}

/**
 * A publish without a connection fails at once, so that submits are taken while NATS is away [F4].
 * The client library would keep it in memory without a bound, although the outbox already holds it.
 */
export function eventPublisher(options: PublisherOptions): EventPublisher {
  const { link, subjectPrefix = '', instruments, monotonic } = options
  const streams = new AckedPublishes({ link, now: monotonic })
  return {
    get connected() {
      return link.connection !== undefined
    },
    async publish(event, ackMsMax) {
      try {
        const payload = utf8.encode(event.payload)
        await streams.publish(`${subjectPrefix}${event.subject}`, payload, headersOf(event), ackMsMax)
        return { kind: 'acknowledged' }
      } catch (error) {
        // The outbox repeats it, or puts it aside.
        instruments.publishErrors.inc({ stream: streamOf(event.subject) })
        const reason = refusalOf(error)
        return reason === undefined ? { kind: 'unknown' } : { kind: 'refused', reason }
      }
    },
  }
}

const utf8 = new TextEncoder()

// "message size exceeds maximum allowed" of the JetStream API.
const MESSAGE_TOO_LARGE = 10_054

/**
 * Only what depends on the event alone. A stream that is missing or full, or a right that is
 * missing, is mended on the other side.
 */
function refusalOf(error: unknown): string | undefined {
  if (error instanceof errors.InvalidArgumentError) return 'no valid subject, headers or size'
  if (error instanceof errors.InvalidSubjectError) return 'no valid subject'
  if (error instanceof PublishFailed && error.code === MESSAGE_TOO_LARGE)
    return 'larger than max_msg_size of the stream'
  return undefined
}

function headersOf(event: Publication): MsgHdrs {
  const headers = natsHeaders()
  headers.set('Nats-Msg-Id', event.msgId)
  for (const [name, value] of Object.entries(event.headers)) headers.set(name, value)
  return headers
}

const streamOf = (subject: string): string =>
  INBOUND_MIRRORS.find((mirror) => mirror.subject === subject)?.stream ?? 'unknown'
