import { errors, headers as natsHeaders, type MsgHdrs } from '@nats-io/transport-node'
import { INBOUND_MIRRORS } from '../../streams/contracts/subjects.ts'
import { AckedPublishes } from '../../streams/nats/acked-publishes.ts'
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
  const publishes = new AckedPublishes({ link, now: monotonic })
  const tried = async (event: Publication, ackMsMax: number): Promise<Published> => {
    try {
      const subject = `${subjectPrefix}${event.subject}`
      const { payload } = event
      const answer = await publishes.publish({ subject, payload, headers: headersOf(event), ackMsMax })
      if (answer.kind === 'stored') return { kind: 'acknowledged' }
      const isTooLarge = answer.kind === 'refused' && answer.code === MESSAGE_TOO_LARGE
      return isTooLarge ? refused('larger than max_msg_size of the stream') : { kind: 'unknown' }
    } catch (error) {
      // Counted below, and the outbox repeats it, or puts it aside.
      return unsent(error)
    }
  }
  return {
    get connected() {
      return link.connection !== undefined
    },
    async publish(event, ackMsMax) {
      const published = await tried(event, ackMsMax)
      if (published.kind !== 'acknowledged')
        instruments.publishErrors.inc({ stream: streamOf(event.subject) })
      return published
    },
  }
}

// "message size exceeds maximum allowed" of the JetStream API. Of what a stream refuses only this
// depends on the event alone. A stream that is missing or full is mended on the other side.
const MESSAGE_TOO_LARGE = 10_054

const refused = (reason: string): Published => ({ kind: 'refused', reason })

function unsent(error: unknown): Published {
  if (error instanceof errors.InvalidArgumentError) return refused('no valid subject, headers or size')
  if (error instanceof errors.InvalidSubjectError) return refused('no valid subject')
  return { kind: 'unknown' }
}

function headersOf(event: Publication): MsgHdrs {
  const headers = natsHeaders()
  headers.set('Nats-Msg-Id', event.msgId)
  for (const [name, value] of Object.entries(event.headers)) headers.set(name, value)
  return headers
}

const streamOf = (subject: string): string =>
  INBOUND_MIRRORS.find((mirror) => mirror.subject === subject)?.stream ?? 'unknown'
