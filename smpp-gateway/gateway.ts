import type { NatsLink } from '../streams/nats/link.ts'
import type { Sleep } from '../streams/platform/backoff.ts'
import type { Logger } from '../streams/platform/logger.ts'
import type { Metrics } from '../streams/platform/metrics.ts'
import { seldom } from '../streams/platform/seldom.ts'
import type { Readiness } from '../streams/platform/operations-server.ts'
import { operatorSettings, timingsFor, type OperatorSettings, type Timings } from './config.ts'
import type { FetchCredentials } from './operator/credentials.ts'
import { deliverTo } from './receipts/deliver.ts'
import { watchFailover } from './operator/failover.ts'
import { gatewayMetrics, type GatewayMetrics, type OperatorMetrics } from './metrics.ts'
import { createHealth } from './operator/health-events.ts'
import { createJournal } from './submit/journal/journal.ts'
import { Operator } from './operator/operator.ts'
import { sharedPermits } from './submit/pacing/permits.ts'
import { FirstDeliveries } from './submit/redelivery/first-deliveries.ts'
import { PublishedResults } from './submit/redelivery/published-results.ts'
import { createPublisher, type Publisher } from './publisher.ts'
import { CommandQueue, inWorkMax } from './submit/queue.ts'
import { createReferences } from './submit/references.ts'
import { createRecentSubmits, type RecentSubmits } from './receipts/recent-submits.ts'
import type { WatchedState } from './redis.ts'
import { RetryTurns } from './submit/redelivery/turns.ts'
import type { OperatorOptions } from './operator/options.ts'
import type { SessionHooks } from './smpp/session.ts'
import type { SubmitContext } from './submit/submission.ts'
import { Throttle } from './submit/pacing/throttle.ts'
import { Window } from './submit/window.ts'

export interface GatewayOptions {
  readonly operatorIds: readonly string[]
  readonly settings: Readonly<Record<string, OperatorSettings>>
  readonly timings: Timings
  readonly nats: NatsLink
  readonly shared: WatchedState
  readonly fetchCredentials: FetchCredentials
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** Monotonic ms. */
  readonly elapsed: () => number
  readonly sleep: Sleep
  readonly random: () => number
  /** A new uuid. */
  readonly newId: () => string
}

export interface Gateway {
  readonly operators: ReadonlyMap<string, Operator>
  start(): void
  ready(): Readiness
  /** Orderly end [SD1]. Everything that it was given stays open. */
  stop(): Promise<void>
}

const FAILOVER_CHECK_MS = 1_000
/** Of faults that every PDU meets, one line a minute says as much. */
const WARN_MS = 60_000

/** Works for every assigned operator, each on its own, from `start` on. */
export function createGateway(options: GatewayOptions): Gateway {
  const shared = sharedParts(options)
  const operators = new Map(options.operatorIds.map((id) => [id, openOperator(id, options, shared)]))
  const settingsOf = (operatorId: string): OperatorSettings =>
    options.settings[operatorId] ?? operatorSettings()
  const failover = watchFailover({
    operators,
    failoverAfterMs: (operatorId) => settingsOf(operatorId).failoverAfterMs,
    checkMs: FAILOVER_CHECK_MS,
    elapsed: options.elapsed,
  })
  return {
    operators,
    start: () => {
      for (const operator of operators.values()) operator.start()
    },
    ready: () => readiness(options, operators),
    stop: async () => {
      failover.close()
      await Promise.all([...operators.values()].map((operator) => operator.stop()))
    },
  }
}

/** What the operators of one process have in common. */
interface SharedParts {
  readonly metrics: GatewayMetrics
  readonly publisher: Publisher
  readonly published: PublishedResults
  readonly recent: RecentSubmits
}

const sharedParts = (options: GatewayOptions): SharedParts => ({
  metrics: gatewayMetrics(options.metrics),
  publisher: createPublisher({ ...options, ackMs: options.timings.receiptAckMs }),
  published: new PublishedResults(options.nats, options.logger),
  recent: createRecentSubmits(undefined, {
    rulesOf: (operatorId) => options.settings[operatorId]?.idRules ?? [],
    onLearnt: (operatorId, rules) =>
      options.logger.warn('dlr.id_rules.learnt', {
        operatorId,
        reason: `set idRules to ${JSON.stringify(rules)}`,
      }),
  }),
})

function openOperator(operatorId: string, options: GatewayOptions, shared: SharedParts): Operator {
  const { now, elapsed, sleep, random, logger } = options
  const settings = options.settings[operatorId] ?? operatorSettings()
  const timings = timingsFor(options.timings, settings)
  const metrics = shared.metrics.of(operatorId)
  const work = submitContext(operatorId, options, shared)
  const deliveries = new FirstDeliveries()
  const queue = { ...options, context: work, deliveries, workingMs: timings.workingMs }
  return new Operator({
    operatorId,
    settings,
    timings,
    metrics,
    logger,
    now,
    elapsed,
    sleep,
    random,
    fetchCredentials: options.fetchCredentials,
    shared: options.shared,
    health: createHealth({ ...shared, operatorId, now, heartbeatMs: timings.heartbeatMs }),
    throttle: openThrottle(operatorId, options, metrics),
    window: new Window(settings.window, elapsed),
    bind: bindOptions(operatorId, options, shared, metrics),
    openQueue: (carrier) => new CommandQueue({ ...queue, carrier }),
    onLeaseHeld: () => {
      work.journal.forgetAll()
      deliveries.handedOver()
    },
  })
}

/** What the commands of one operator need on their way. */
function submitContext(operatorId: string, options: GatewayOptions, shared: SharedParts): SubmitContext {
  const { logger, now, elapsed, random } = options
  const { publisher, published, recent } = shared
  const settings = options.settings[operatorId] ?? operatorSettings()
  const { responseMs, unknownRetriesMs } = timingsFor(options.timings, settings)
  const metrics = shared.metrics.of(operatorId)
  return {
    operatorId,
    settings,
    publisher,
    published,
    recent,
    metrics,
    logger,
    now,
    elapsed,
    journal: createJournal(options.shared, () => shared.metrics.journalUnavailable()),
    references: createReferences({ operatorId, shared: options.shared, random }),
    turns: new RetryTurns(elapsed, inWorkMax(settings.window)),
    inDoubtMs: responseMs,
    unknownRetriesMs,
    onMissingId: missingIdNoted(operatorId, options, metrics),
  }
}

/** What a session of the operator needs: its timers, its counters, and where its receipts go. */
function bindOptions(
  operatorId: string,
  { settings, timings, logger, now, elapsed, newId }: GatewayOptions,
  { publisher, recent }: SharedParts,
  metrics: OperatorMetrics,
): OperatorOptions['bind'] {
  const profile = settings[operatorId] ?? operatorSettings()
  const { tls, unansweredMs, bindMode } = profile
  return {
    ...timingsFor(timings, profile),
    tls,
    unansweredMs,
    bindMode,
    newId,
    elapsed,
    hooks: sessionHooks(operatorId, metrics, logger),
    onDeliver: deliverTo({ operatorId, profile, elapsed, publisher, recent, metrics, logger, now }),
  }
}

/**
 * The limit is kept without Redis too [TP7], so that is worth one line a minute and not one a PDU.
 */
function openThrottle(operatorId: string, options: GatewayOptions, metrics: OperatorMetrics): Throttle {
  const { shared, elapsed, logger } = options
  const warn = seldom(WARN_MS, elapsed)
  const onFallback = (active: boolean): void => {
    metrics.throughputFallback(active)
    if (active)
      warn(() => logger.warn('smpp.throughput.local', { operatorId, reason: 'Redis is not available' }))
  }
  const permits = sharedPermits(operatorId, shared)
  const onDelayed = (): void => metrics.throughputDenied()
  const throttle = new Throttle({ permits, now: elapsed, onFallback, onDelayed })
  metrics.throughputUsed(() => throttle.used)
  return throttle
}

/** An operator that gives no ids gives none for any message [ST1]. */
function missingIdNoted(operatorId: string, options: GatewayOptions, metrics: OperatorMetrics): () => void {
  const warn = seldom(WARN_MS, options.elapsed)
  return () => {
    metrics.acceptedWithoutId()
    warn(() => options.logger.warn('smpp.submit_sm.without_id', { operatorId }))
  }
}

const sessionHooks = (operatorId: string, metrics: OperatorMetrics, logger: Logger): SessionHooks => ({
  sent: (bytes) => metrics.bytesSent(bytes),
  received: (bytes) => metrics.bytesReceived(bytes),
  strayResponse: () => metrics.strayResponse(),
  submitsUnanswered: () => logger.warn('smpp.submits.unanswered', { operatorId }),
  enquireLinkTimedOut: () => {
    metrics.enquireLinkTimeout()
    logger.warn('enquire_link.timeout', { operatorId })
  },
})

/** [H32]: NATS, and every operator bound or on standby. Redis stands in the details only. */
function readiness({ nats, shared }: GatewayOptions, operators: Gateway['operators']): Readiness {
  const isConnected = nats.connection !== undefined
  const states = [...operators].map(([operatorId, { condition }]) => [operatorId, condition] as const)
  return {
    ready: isConnected && [...operators.values()].every((operator) => operator.isSettled),
    details: {
      nats: isConnected ? 'ok' : 'not connected',
      redis: shared.isUp ? 'ok' : 'not available',
      ...Object.fromEntries(states),
    },
  }
}
