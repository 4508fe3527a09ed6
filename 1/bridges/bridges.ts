import { bridgeMarks } from '../streams/contracts/operators.ts'
import { INBOUND_DURABLES, type Mirror } from '../streams/contracts/subjects.ts'
import type { LogClient } from '../streams/log/port.ts'
import type { Sleep } from '../streams/platform/backoff.ts'
import type { Logger } from '../streams/platform/logger.ts'
import type { Metrics } from '../streams/platform/metrics.ts'
import type { Readiness } from '../streams/platform/operations-server.ts'
import { within } from '../streams/platform/process.ts'
import { livenessOf, watchPositions } from '../streams/runtime/watch/observe-positions.ts'
import { STUCK_AFTER_MS } from '../streams/runtime/watch/position-watch.ts'
import { bridgeInstruments } from './instruments.ts'
import type { NatsLink } from '../streams/nats/link.ts'
import { deadLetters } from './nats/outbound/dead-letters.ts'
import { mirrorInbound, type InboundBridge } from './nats/inbound/inbound.ts'
import { watchDurables, type DurableWatchOptions } from './nats/durable-watch.ts'
import { watchLag } from './nats/lag.ts'
import { mirrorOutbound } from './nats/outbound/mirrors.ts'
import { OUTBOUND_GROUP } from './nats/outbound/outbound.ts'

export interface BridgesOptions {
  readonly log: LogClient
  readonly linkOf: (mirror: Mirror) => NatsLink
  readonly metrics: Metrics
  readonly logger: Logger
  readonly pollMs: number
  readonly stuckAfterMs?: number
  readonly now: () => number
  readonly sleep: Sleep
  readonly random: () => number
  readonly onFailed: (error: unknown) => void
  /** Group of the outbound cursors; tests that share a broker have their own. */
  readonly group?: string
  /** See BRIDGE_PUBLISH_UNMARKED. */
  readonly isUnmarkedAllowed?: boolean
  /** Durables to keep there; absent: nobody looks after them. */
  readonly durables?: Pick<DurableWatchOptions, 'provisioning' | 'maker'>
}

export interface Bridges {
  /**
   * Every NATS consumer is active, the log can be reached, the group is joined, and each partition
   * of it can be read [H32].
   */
  ready(): Promise<Readiness>
  /**
   * No partition of the outbound direction is stuck [H9], see position-watch.ts. NATS watches the
   * inbound direction, by ack_wait.
   */
  live(): Readiness
  close(): Promise<void>
}

const LOG_ANSWER_MS_MAX = 2_000

/** All mirrors of both directions. Starts whether or not NATS and the log are there. */
export function startBridges(options: BridgesOptions): Bridges {
  const { log, logger, pollMs, now, sleep } = options
  const inbound = new Map<string, InboundBridge>()
  const instruments = bridgeInstruments(
    options.metrics,
    () => inbound.get('dlr-processor')?.active() ?? false,
  )
  const writer = log.writer()
  const shared = { ...options, instruments, deadLetters: deadLetters(log, writer, now) }
  for (const [durable, mirrors] of INBOUND_DURABLES)
    inbound.set(durable, mirrorInbound({ ...shared, mirrors, linkOf: options.linkOf }))
  const outbound = mirrorOutbound(shared)
  const lag = watchLag({
    log,
    group: options.group ?? OUTBOUND_GROUP,
    instruments,
    logger,
    pollMs,
    now,
    sleep,
  })
  const watch = watchPositions({
    clock: options,
    readers: [outbound],
    admin: log.admin,
    stuckAfterMs: options.stuckAfterMs ?? STUCK_AFTER_MS,
    logger,
    metrics: options.metrics,
  }).start()
  const kept =
    options.durables && watchDurables({ ...options, ...options.durables, linkOfStream: byStream(options) })
  return {
    ready: async () => readiness(await reachable(log), outbound.isWell(), inbound),
    live: () => livenessOf(watch),
    async close() {
      const mirrors = [...inbound.values(), outbound, lag, watch, ...(kept === undefined ? [] : [kept])]
      await Promise.all(mirrors.map((mirror) => mirror.close()))
      await writer.close()
    },
  }
}

const byStream =
  ({ linkOf }: BridgesOptions) =>
  (stream: string) =>
    linkOf({ stream, topic: stream, subject: stream })

function readiness(
  logReachable: boolean,
  isOutboundWell: boolean,
  inbound: ReadonlyMap<string, InboundBridge>,
): Readiness {
  const consumers = [...inbound].map(([durable, bridge]) => [durable, bridge.active()] as const)
  const parts: readonly (readonly [string, boolean])[] = [
    ['log', logReachable],
    ['outbound', isOutboundWell],
    ...consumers,
  ]
  return {
    ready: parts.every(([, up]) => up),
    details: Object.fromEntries(parts.map(([name, up]) => [name, up ? 'active' : 'inactive'])),
  }
}

async function reachable(log: LogClient): Promise<boolean> {
  try {
    await within(log.admin.partitions([bridgeMarks.name]), LOG_ANSWER_MS_MAX)
    return true
  } catch {
    // Whether it answers was the question.
    return false
  }
}
