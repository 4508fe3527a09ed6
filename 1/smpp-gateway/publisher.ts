import { MsgHdrsImpl, type MsgHdrs } from '@nats-io/transport-node'
import { encode } from '../streams/contracts/decode.ts'
import { natsMessageId } from '../streams/contracts/subjects.ts'
import type { Topic } from '../streams/contracts/topic.ts'
import { AckedPublishes } from '../streams/nats/acked-publishes.ts'
import type { NatsLink } from '../streams/nats/link.ts'
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
  const acked = new AckedPublishes({ link: nats, now: elapsed })
  const publish: Publisher['publish'] = async (topic, event, trace = NO_TRACE) => {
    const headers = headersOf(topic, event, trace)
    try {
      const payload = Buffer.from(encode(event))
      const withinMs = nats.connection === undefined ? await leftWhenConnected(nats, ackMs, elapsed) : ackMs
      const answer = await acked.publish({ subject: topic.name, payload, headers, ackMsMax: withinMs })
      if (answer.kind === 'stored') return true
      logger.warn('nats.publish_failed', { subject: topic.name, reason: answer.reason })
      return false
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

const NO_TRACE: TraceHeaders = {}
const MESSAGE_ID = 'Nats-Msg-Id'

/** Made at once: setting one after the other checks each name anew, and these are fixed ones. */
function headersOf<V extends Event>(topic: Topic<V>, event: V, trace: TraceHeaders): MsgHdrs {
  const given: Record<string, string[]> = { [MESSAGE_ID]: [natsMessageId(topic.name, event.eventId)] }
  for (const [name, value] of Object.entries(topic.headers(event))) given[name] = [value]
  for (const [name, value] of Object.entries(trace)) given[name] = [value]
  return MsgHdrsImpl.fromRecord(given)
}

/** In few sizes: those that wait equally long share a timer. */
const LEFT_STEP_MS = 250

/** What the wait for a connection leaves of `ackMs`. */
async function leftWhenConnected(nats: NatsLink, ackMs: number, elapsed: () => number): Promise<number> {
  const startedAt = elapsed()
  await nats.whenConnected(AbortSignal.timeout(ackMs))
  const leftMs = ackMs - (elapsed() - startedAt)
  return Math.max(LEFT_STEP_MS, leftMs - (leftMs % LEFT_STEP_MS))
}
