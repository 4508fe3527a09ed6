import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { decode } from '../../../streams/contracts/decode.ts'
import { operatorHealth } from '../../../streams/contracts/operators.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import type { OperatorStates } from './health.ts'

const STREAM = 'OPERATOR_EVENTS'
const DURABLE = 'routing-engine-health'
const RETRY_MS = 1_000

export interface HealthFeedOptions {
  readonly natsUrl: string
  readonly states: OperatorStates
  readonly logger: Logger
  /** For tests that run beside others on one server. */
  readonly stream?: string
}

export interface HealthFeed {
  close(): Promise<void>
}

/**
 * Follows `operator.health` [EV16] for as long as it is open. NATS, the stream or the durable may
 * come later or go away: it tries again every second, and the engine answers meanwhile from what it
 * knows.
 */
export function followHealth(options: HealthFeedOptions): HealthFeed {
  const stop = new AbortController()
  const done = followUntil(options, stop.signal)
  return {
    close: () => {
      stop.abort()
      return done
    },
  }
}

async function followUntil(options: HealthFeedOptions, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      await followOnce(options, stop)
    } catch (error) {
      options.logger.debug('health_feed.waiting', { operation: 'follow', error })
    }
    await sleep(RETRY_MS, stop)
  }
}

async function followOnce(options: HealthFeedOptions, stop: AbortSignal): Promise<void> {
  const nats = await connect({ servers: options.natsUrl, maxReconnectAttempts: -1 })
  const close = () => void nats.close()
  stop.addEventListener('abort', close)
  try {
    if (!stop.aborted) await readHealth(options, nats)
  } finally {
    stop.removeEventListener('abort', close)
    await nats.close()
  }
}

async function readHealth(options: HealthFeedOptions, nats: NatsConnection): Promise<void> {
  const stream = options.stream ?? STREAM
  await ensureDurable(nats, stream)
  const consumer = await jetstream(nats).consumers.get(stream, DURABLE)
  const messages = await consumer.consume()
  options.logger.info('health_feed.following', { stream, durable: DURABLE })
  for await (const message of messages) {
    const decoded = decode(operatorHealth, message.data)
    if (decoded.ok) options.states.learn(decoded.value)
    else options.logger.warn('health_feed.unreadable', { reason: decoded.reason })
    message.ack()
  }
}

/**
 * Production durables come from the provisioner; the stand-in makes its own when it is missing.
 * Only new events: the states of the past say nothing of now, and the next heartbeat is at most ten
 * seconds away [B17].
 */
async function ensureDurable(nats: NatsConnection, stream: string): Promise<void> {
  const manager = await jetstreamManager(nats, { checkAPI: false })
  try {
    await manager.consumers.info(stream, DURABLE)
  } catch {
    await manager.consumers.add(stream, {
      durable_name: DURABLE,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.New,
    })
  }
}
