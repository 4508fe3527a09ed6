import { headers as natsHeaders } from '@nats-io/transport-node'
import { encode } from '../streams/contracts/decode.ts'
import { natsMessageId } from '../streams/contracts/subjects.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import { jetstreamOf, type NatsLink } from '../streams/nats/link.ts'
import { backoffMs, type Sleep } from '../streams/platform/backoff.ts'
import type { Logger } from '../streams/platform/logger.ts'

export type TraceHeaders = Readonly<Record<string, string>>

/**
 * Publishes events on the NATS subject of their topic; the event id makes every repetition
 * harmless.
 */
export interface Publisher {
  /** One try: true when JetStream holds the event. */
  publish<V extends Event>(topic: Topic<V>, event: V, trace?: TraceHeaders): Promise<boolean>
  /** Tries until JetStream holds the event; false when `signal` aborts first. */
  publishUntilHeld<V extends Event>(
    topic: Topic<V>,
    event: V,
    signal: AbortSignal,
    trace?: TraceHeaders,
  ): Promise<boolean>
}

interface Event {
  readonly eventId: string
}

export interface PublisherOptions {
  readonly nats: NatsLink
  /** For a connection that is being mended and the acknowledgement together. */
  readonly ackMs: number
  /** Monotonic ms. */
  readonly elapsed: () => number
  readonly sleep: Sleep
  readonly random: () => number
  readonly logger: Logger
}

const RETRY = { firstMs: 250, maxMs: 30_000, jitter: 0.2 }

export function createPublisher(options: PublisherOptions): Publisher {
  const { nats, ackMs, elapsed, sleep, random, logger } = options
  const publish: Publisher['publish'] = async (topic, event, trace = {}) => {
    const headers = natsHeaders()
    for (const [name, value] of Object.entries({ ...topic.headers(event), ...trace }))
      headers.set(name, value)
    try {
      const msgID = natsMessageId(topic.name, event.eventId)
      const startedAt = elapsed()
      if (nats.connection === undefined) await nats.whenConnected(AbortSignal.timeout(ackMs))
      const timeout = Math.max(1, ackMs - (elapsed() - startedAt))
      await jetstreamOf(nats).publish(topic.name, encode(event), { headers, msgID, timeout })
      return true
    } catch (error) {
      // NATS away, a full disk and a missing stream all look alike here: the event is not known to
      // be held.
      logger.warn('nats.publish_failed', { subject: topic.name, error })
      return false
    }
  }
  return {
    publish,
    publishUntilHeld: async (topic, event, signal, trace) => {
      for (let attempt = 1; !signal.aborted; attempt++) {
        if (await publish(topic, event, trace)) return true
        await sleep(backoffMs(attempt, { ...RETRY, random }), signal)
      }
      return false
    },
  }
}
