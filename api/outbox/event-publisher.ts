import { headers as natsHeaders } from '@nats-io/transport-node'
import { INBOUND_MIRRORS } from '../../streams/contracts/subjects.ts'
import { jetstreamOf, type NatsLink } from '../../streams/nats/link.ts'
import type { Instruments } from '../instruments.ts'

/** One event on its way to NATS: what an outbox row holds. */
export interface Publication {
  readonly subject: string
  /** Nats-Msg-Id: a second publish of the same one is not stored again. */
  readonly msgId: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: string
}

export interface EventPublisher {
  readonly connected: boolean
  /**
   * True when JetStream has acknowledged within `ackMsMax`; false means that nothing is known.
   * Never rejects.
   */
  publish(event: Publication, ackMsMax: number): Promise<boolean>
}

export interface PublisherOptions {
  readonly link: NatsLink
  /** Put before every subject, so that tests can share a server. */
  readonly subjectPrefix?: string
  readonly instruments: Instruments
}

/**
 * A publish without a connection fails at once, so that submits are taken while NATS is away [F4].
 * The client library would keep it in memory without a bound, although the outbox already holds it.
 */
export function eventPublisher({ link, subjectPrefix = '', instruments }: PublisherOptions): EventPublisher {
  return {
    get connected() {
      return link.connection !== undefined
    },
    async publish(event, ackMsMax) {
      try {
        await jetstreamOf(link).publish(`${subjectPrefix}${event.subject}`, event.payload, {
          msgID: event.msgId,
          headers: headersOf(event),
          timeout: ackMsMax,
        })
        return true
      } catch {
        // The outbox repeats it. That it failed is all there is to know.
        instruments.publishErrors.inc({ stream: streamOf(event.subject) })
        return false
      }
    },
  }
}

function headersOf(event: Publication): ReturnType<typeof natsHeaders> {
  const headers = natsHeaders()
  for (const [name, value] of Object.entries(event.headers)) headers.set(name, value)
  return headers
}

const streamOf = (subject: string): string =>
  INBOUND_MIRRORS.find((mirror) => mirror.subject === subject)?.stream ?? 'unknown'
