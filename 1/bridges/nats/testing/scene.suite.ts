import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { vi } from 'vitest'
import { z } from 'zod'
import { catalogue } from '../../../streams/contracts/catalogue.ts'
import { partitionKey, type LogClient, type LogRecord } from '../../../streams/log/port.ts'
import { sleep } from '../../../streams/platform/backoff.ts'
import { silentLogger } from '../../../streams/platform/logger.ts'
import { Metrics } from '../../../streams/platform/metrics.ts'
import { startBridges, type Bridges } from '../../bridges.ts'
import { connectNats, type NatsLink } from '../../../streams/nats/link.ts'
import { provisionNats } from '../provision.ts'

export const PARTITIONS = 4

export interface RunningBridges extends Bridges {
  readonly metrics: Metrics
  readonly links: readonly NatsLink[]
}

/** All bridges between one NATS and one log, as main.ts puts them together. */
export function bridgesBetween(url: string, log: LogClient, group?: string): RunningBridges {
  const link = connectNats({ url, user: 'bridges-under-test', logger: silentLogger })
  const metrics = new Metrics()
  const bridges = startBridges({
    log,
    linkOf: () => link,
    metrics,
    logger: silentLogger,
    pollMs: 200,
    now: Date.now,
    sleep,
    random: Math.random,
    onFailed: () => {},
    ...(group !== undefined && { group }),
  })
  return {
    metrics,
    links: [link],
    ready: () => bridges.ready(),
    live: () => bridges.live(),
    async close() {
      await bridges.close()
      await link.close()
    },
  }
}

export const OPERATOR = 'f47ac10b-58cc-4372-a567-0e02b2c3d479'

export async function provisioned(url: string): Promise<{ nc: NatsConnection; manager: JetStreamManager }> {
  const nc = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const manager = await jetstreamManager(nc)
  await provisionNats(manager, {
    replicas: 1,
    operatorIds: [OPERATOR],
    dlrConcurrency: 10,
  })
  return { nc, manager }
}

export const ensureTopics = (log: LogClient): Promise<void> =>
  log.admin.ensureTopics(catalogue({ partitions: PARTITIONS, replicas: 1 }))

export interface Stored {
  readonly subject: string
  readonly sequence: number
  readonly payload: string
  readonly headers: MsgHdrs | undefined
}

/** Everything that a stream holds, in its order. */
export async function storedIn(manager: JetStreamManager, stream: string): Promise<readonly Stored[]> {
  const { state } = await manager.streams.info(stream)
  const stored: Stored[] = []
  for (let sequence = state.first_seq; sequence <= state.last_seq && state.messages > 0; sequence += 1) {
    const message = await manager.streams.getMessage(stream, { seq: sequence })
    if (message === null) continue
    const { subject, header } = message
    stored.push({ subject, sequence, payload: message.string(), headers: header })
  }
  return stored
}

/** All records of a topic, partition by partition. */
export async function recordsOf(log: LogClient, topic: string): Promise<readonly LogRecord[]> {
  const count = (await log.admin.partitions([topic])).get(topic) ?? 0
  const at = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
  const bounds = await log.admin.bounds(at)
  const reader = log.reader()
  const found: LogRecord[] = []
  for (const one of at) {
    const { start, end } = bounds.get(partitionKey(one)) ?? { start: 0, end: 0 }
    for (let next = start; next < end; ) {
      const read = await reader.read(one, next, { bytesMax: 1_048_576, waitMs: 0 })
      found.push(...read.records)
      next = read.next
    }
  }
  await reader.close()
  return found
}

export const eventually = <T>(check: () => Promise<T> | T, timeoutMs = 45_000): Promise<T> =>
  vi.waitFor(check, { timeout: timeoutMs, interval: 50 })

export async function metricOf(metrics: Metrics, name: string, subject: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get()
  return metric?.values.find(({ labels }) => labels['subject'] === subject)?.value ?? 0
}

const Payload = z.object({
  eventId: z.string().default(''),
  messageId: z.string().default(''),
  stat: z.string().default(''),
  seq: z.number().default(0),
  dlrStatus: z.string().default(''),
  reason: z.string().default(''),
  sourceTopic: z.string().default(''),
  sourceOffset: z.string().default(''),
  payloadBase64: z.string().default(''),
})

/** The fields of an event that tests look at; an absent one is empty. */
export const eventOf = (payload: string): z.infer<typeof Payload> => Payload.parse(JSON.parse(payload))
