import { OUTBOUND_MIRRORS, STREAMS, type Mirror } from '../../../streams/contracts/subjects.ts'
import { bridgeMarks } from '../../../streams/contracts/operators.ts'
import { LogError, type LogClient, type TopicPartition } from '../../../streams/log/port.ts'
import { backoffMs, type Sleep } from '../../../streams/platform/backoff.ts'
import type { Logger } from '../../../streams/platform/logger.ts'
import { consume, type Consumption } from '../../../streams/runtime/consume.ts'
import type { Standing } from '../../../streams/runtime/watch/position-watch.ts'
import type { Instruments } from '../../instruments.ts'
import type { NatsLink } from '../../../streams/nats/link.ts'
import type { DeadLetters } from './dead-letters.ts'
import { CommandPartition, OUTBOUND_BATCH_MAX, StaleOwnership, UnmarkedHistory } from './command-partition.ts'
import { COMMAND_TOPIC } from './event.ts'
import { OUTBOUND_GROUP, OutboundBridge } from './outbound.ts'
import { natsPublisher, PublishError, SubjectMoved, type Publisher } from './publish.ts'
import { natsPublishedCommands, type PublishedCommands } from './published-commands.ts'
import { PublishedMarks } from './published-marks.ts'

export interface OutboundMirrorsOptions {
  readonly log: LogClient
  readonly linkOf: (mirror: Mirror) => NatsLink
  /** Default: publishes over the mirror's link. A simulation has streams of its own. */
  readonly publisherOf?: (mirror: Mirror) => Publisher
  /** The same for what it asks a stream about the commands that it holds. */
  readonly publishedOf?: (mirror: Mirror) => PublishedCommands
  readonly deadLetters: DeadLetters
  readonly instruments: Instruments
  readonly logger: Logger
  readonly now: () => number
  readonly sleep: Sleep
  readonly random: () => number
  /** The consumer will not come back: the process should stop. */
  readonly onFailed: (error: unknown) => void
  /** Group of the cursors and marks; tests that share a broker have their own. */
  readonly group?: string
  /** Publishes commands although their mark is missing: somebody knows that none was published. */
  readonly isUnmarkedAllowed?: boolean
}

export interface OutboundMirrors {
  /** The group has given this process its partitions, possibly none; each of them can be read. */
  isWell(): boolean
  standings(): readonly Standing[]
  /**
   * Finishes what is on its way and leaves the group. What waits for NATS is left to the next
   * start.
   */
  close(): Promise<void>
}

const RETRY = { firstMs: 200, maxMs: 5_000, jitter: 0.2 }
/**
 * Topics whose events belong to the receipts' side: their alerts and log events carry its name
 * [M23], [LG14].
 */
export const DLR_TOPICS: ReadonlySet<string> = new Set([
  'sms.dlr.aggregated.v1',
  'sms.dlr.unmatched',
  'billing.events',
  'webhook.dispatch',
])

/** Mirrors all topics of OUTBOUND_MIRRORS, as soon as they exist. */
export function mirrorOutbound(options: OutboundMirrorsOptions): OutboundMirrors {
  const stop = new AbortController()
  const marks = new PublishedMarks(options.log)
  const bridge = new OutboundBridge({
    ...options,
    mirrors: OUTBOUND_MIRRORS.map((mirror) => ({
      mirror,
      publisher:
        options.publisherOf?.(mirror) ?? natsPublisher(options.linkOf(mirror), mirror.stream, stop.signal),
    })),
  })
  let consumption: Consumption | undefined
  const started = start(options, { bridge, marks, stop: stop.signal }).then(
    (opened) => {
      consumption = opened
    },
    (error: unknown) => options.onFailed(error),
  )
  return {
    isWell: () => consumption?.joined() === true && consumption.failed().length === 0,
    standings: () => consumption?.standings() ?? [],
    async close() {
      stop.abort()
      await started
      await consumption?.close()
      await marks.close()
    },
  }
}

interface Parts {
  readonly bridge: OutboundBridge
  readonly marks: PublishedMarks
  readonly stop: AbortSignal
}

async function start(options: OutboundMirrorsOptions, parts: Parts): Promise<Consumption | undefined> {
  const { bridge, stop } = parts
  const topics = OUTBOUND_MIRRORS.map(({ topic }) => topic)
  await untilTopicsExist(options, [...topics, bridgeMarks.name], stop)
  if (stop.aborted) return undefined
  return consume({
    log: options.log,
    group: options.group ?? OUTBOUND_GROUP,
    topics,
    handle: (batch) => bridge.handle(batch),
    ownerOf: (at) => (at.topic === COMMAND_TOPIC ? commandOwner(options, parts, at) : undefined),
    recordsMax: OUTBOUND_BATCH_MAX,
    sleep: options.sleep,
    random: options.random,
    excuse: (at) => natsExcuse(options, at),
    onFault: (at, error, attempt) => report(options, at, error, attempt),
    onStopped: ({ topic, partition }, error) =>
      options.logger.error('bridge.partition_stopped', { topic, partition, error }),
    onFailed: options.onFailed,
  })
}

function commandOwner(
  options: OutboundMirrorsOptions,
  { bridge, marks, stop }: Parts,
  at: TopicPartition,
): CommandPartition {
  const mirror = OUTBOUND_MIRRORS.find(({ topic }) => topic === at.topic)
  const stream = STREAMS.find(({ name }) => name === mirror?.stream)
  if (mirror === undefined || stream === undefined) throw new Error(`no mirror for ${at.topic}`)
  return new CommandPartition({
    at,
    marks,
    log: options.log,
    now: options.now,
    group: options.group ?? OUTBOUND_GROUP,
    published:
      options.publishedOf?.(mirror) ?? natsPublishedCommands(options.linkOf(mirror), mirror.stream, stop),
    publish: (batch, gate) => bridge.handle(batch, gate),
    isUnmarkedAllowed: options.isUnmarkedAllowed ?? false,
    streamAgeMsMax: stream.maxAgeMs,
  })
}

/** While NATS is away a batch waits for it and does not fail (publish.ts); readiness says so. */
function natsExcuse({ linkOf }: OutboundMirrorsOptions, { topic }: TopicPartition): string | undefined {
  const mirror = OUTBOUND_MIRRORS.find((one) => one.topic === topic)
  return mirror !== undefined && linkOf(mirror).connection === undefined ? 'NATS is away' : undefined
}

/** Topics are made by the provisioner of the log, which may run after us. */
async function untilTopicsExist(
  options: OutboundMirrorsOptions,
  topics: readonly string[],
  stop: AbortSignal,
): Promise<void> {
  const { log, logger, sleep, random } = options
  for (let attempt = 1; !stop.aborted; attempt += 1) {
    try {
      const found = await log.admin.partitions(topics)
      const missing = topics.filter((topic) => !found.has(topic))
      if (missing.length === 0) return
      logger.warn('bridge.topics_missing', { paths: missing, attempt })
    } catch (error) {
      logger.warn('bridge.log_unreachable', { attempt, error })
    }
    await sleep(backoffMs(attempt, { ...RETRY, random }), stop)
  }
}

function report(options: OutboundMirrorsOptions, at: TopicPartition, error: unknown, attempt: number): void {
  const { logger, instruments } = options
  const { topic, partition } = at
  if (error instanceof StaleOwnership || error instanceof SubjectMoved)
    return logger.info('bridge.ownership_doubtful', { topic, partition, error })
  if (error instanceof UnmarkedHistory)
    return logger.error('bridge.mark_missing', { topic, partition, attempt, error })
  if (error instanceof LogError && error.code === 'fenced')
    return logger.warn('bridge.fenced', { topic, partition, error })
  if (!(error instanceof PublishError))
    return logger.error('bridge.fault', { topic, partition, attempt, error })
  const { stream } = error
  instruments.publishErrors.inc({ stream })
  const event = DLR_TOPICS.has(topic) ? 'dlr.nats_publish_error' : 'orch.nats_publish_error'
  logger.error(event, { subject: topic, stream, partition, attempt, error })
}
