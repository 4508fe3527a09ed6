import type { Logger } from '../../platform/logger.ts'
import type { Share } from '../assigner.ts'
import { LogError } from '../port.ts'
import type { ConsumerOptions, Cursor, LogConsumer, Membership as Member, TopicPartition } from '../port.ts'
import {
  BrokerError,
  ILLEGAL_GENERATION,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID,
  remedyFor,
} from './cluster/broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './cluster/clock.ts'
import type { Cluster } from './cluster/cluster.ts'
import { NO_EPOCH, offsetsPayload } from './codecs/offset-commit-request.ts'
import { Fetcher } from './reading/fetcher.ts'
import { OwnedPartitions } from './reading/fetched.ts'
import type { FetchedRecords, OwnedPartition } from './reading/fetched.ts'
import type { Lane } from './wire/broker-connections.ts'
import { Membership } from './reading/membership.ts'
import { outcomeOf, unknownUnlessFenced } from './cluster/outcome.ts'

export interface KafkaConsumerOptions extends ConsumerOptions {
  readonly cluster: Cluster
  /** A name that no other consumer of the cluster has. */
  readonly name: string
  readonly sessionTimeoutMs: number
  readonly logger: Logger
}

const COMMIT_WITHIN_MS = 10_000

/** A broker may be away at the moment when a program starts. */
const START_WITHIN_MS = 20_000

const TROUBLE_EVERY_MS = 10_000

/**
 * The group may be about to move on, or has moved on with this member still in it: its next
 * generation decides.
 */
const MOVING_ON = new Set([REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION])

/**
 * One member of a group. Membership and fetching go on side by side. A rebalance does not hold up
 * the partitions that stay, and a full buffer does not hold up a heartbeat.
 */
export class KafkaConsumer implements LogConsumer {
  readonly #options: KafkaConsumerOptions
  readonly #owned = new OwnedPartitions()
  readonly #lane: Lane
  readonly #joinLane: Lane
  readonly #fetcher: Fetcher
  readonly #membership: Membership
  #phase: 'new' | 'running' | 'over' = 'new'
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(options: KafkaConsumerOptions) {
    this.#options = options
    const { cluster, name, group, topics, sessionTimeoutMs, standby } = options
    this.#lane = `${name}-fetch`
    this.#joinLane = `${name}-join`
    const onFailed = (error: unknown) => this.#fail(error)
    const onTrouble = (error: unknown) => this.#trouble(error)
    this.#fetcher = new Fetcher({
      cluster,
      lane: this.#lane,
      owned: this.#owned,
      deliver: (owned, fetched) => this.#deliver(owned, fetched),
      onGap: ({ at }, offset) => options.logger.warn('log.consumer.gap', { group, ...at, offset }),
      onStopped: (owned, error) => this.#stopped(owned, error),
      onFailed,
      onTrouble,
    })
    this.#membership = new Membership({
      cluster,
      joinLane: this.#joinLane,
      lane: this.#lane,
      group,
      topics,
      sessionTimeoutMs,
      held: () => this.#owned.numbers(),
      standby,
      onRebalancing: async () => options.onRebalancing?.(),
      onAssigned: (share, generation) => this.#take(share, generation),
      onLost: (generation) => this.#take({ held: [], standbys: [] }, generation),
      onFailed,
      onTrouble,
    })
  }

  /** Resolves when the topics are known to exist; the group assigns partitions in its own time. */
  async start(): Promise<void> {
    if (this.#phase !== 'new') throw new LogError('fatal', 'a consumer starts once')
    this.#phase = 'running'
    this.#options.cluster.held.add(this.#options.group, this.#owned)
    const { cluster, topics } = this.#options
    const attempts = new Attempts(cluster.clock, cluster.clock.now() + START_WITHIN_MS, PATIENT_MS_MAX)
    for (;;) {
      try {
        for (const topic of topics) await cluster.leaderOf(topic, 0)
        break
      } catch (error) {
        if (this.#isRunning() && remedyFor(error) === 'lost' && (await attempts.another())) continue
        this.#phase = 'over'
        cluster.held.remove(this.#options.group, this.#owned)
        throw outcomeOf(error)
      }
    }
    if (this.#isRunning()) this.#membership.start()
  }

  async stop(): Promise<void> {
    if (this.#phase !== 'running') return
    this.#phase = 'over'
    await this.#end()
  }

  seek(at: TopicPartition, offset: number): void {
    this.#owned.get(at)?.seek(offset)
    this.#fetcher.kick()
  }

  pause(at: readonly TopicPartition[]): void {
    for (const one of at) this.#setPaused(one, true)
  }

  resume(at: readonly TopicPartition[]): void {
    for (const one of at) this.#setPaused(one, false)
    this.#fetcher.kick()
  }

  reassign(): void {
    this.#membership.rejoin()
  }

  member(): Member | undefined {
    return this.#isRunning() ? this.#membership.member : undefined
  }

  async commit(cursors: readonly Cursor[]): Promise<void> {
    if (cursors.length === 0) return
    const held = cursors.map((cursor) => this.#owned.get(cursor))
    const offsets = offsetsPayload(cursors, (at) => this.#owned.get(at)?.epoch ?? NO_EPOCH)
    const { clock } = this.#options.cluster
    const attempts = new Attempts(clock, clock.now() + COMMIT_WITHIN_MS, PATIENT_MS_MAX)
    for (;;) {
      // Also when it is held again: somebody else may have gone further in between.
      if (!this.#isRunning() || !held.every((one) => one !== undefined && this.#owned.has(one)))
        throw new LogError('fenced', `${this.#options.group} has gone on without this member`)
      try {
        return await this.#membership.commitOnce(offsets)
      } catch (error) {
        if (!this.#mayCommitAgain(error) || !(await attempts.another())) throw commitError(error)
      }
    }
  }

  #mayCommitAgain(error: unknown): boolean {
    if (error instanceof BrokerError && MOVING_ON.has(error.code)) {
      this.#membership.hurry()
      return true
    }
    const remedy = remedyFor(error)
    return remedy === 'lost' || remedy === 'later' || remedy === 'coordinator'
  }

  // A partition that has just been lost may still be named by its former task; it delivers nothing,
  // so nothing is to do.
  #setPaused(at: TopicPartition, isPaused: boolean): void {
    const owned = this.#owned.get(at)
    if (owned !== undefined) owned.isPaused = isPaused
  }

  #take({ held, standbys }: Share, generation: number): void {
    if (!this.#isRunning()) return
    this.#owned.assign(held)
    this.#options.onAssigned(held, generation, standbys)
    this.#fetcher.kick()
  }

  #deliver({ at }: OwnedPartition, { records, next }: FetchedRecords): void {
    if (this.#isRunning()) this.#options.onRecords(at, records, next)
  }

  /** Nothing is skipped that cannot be read: a person has to look at it. */
  #stopped({ at }: OwnedPartition, error: LogError): void {
    if (!this.#isRunning()) return
    this.#options.logger.error('log.consumer.stopped', { group: this.#options.group, ...at, error })
    this.#options.onStopped?.(at, error)
  }

  /** While a broker is away there is trouble several times a second. */
  #trouble(error: unknown): void {
    const { cluster, logger, group } = this.#options
    const nowMs = cluster.clock.now()
    if (Math.abs(nowMs - this.#toldMs) < TROUBLE_EVERY_MS) return
    this.#toldMs = nowMs
    logger.warn('log.consumer.trouble', { group, error })
  }

  /** Also for an error thrown by the owner's callbacks: it would be lost otherwise. */
  #fail(error: unknown): void {
    if (!this.#isRunning()) return
    this.#phase = 'over'
    void this.#end()
    const outcome = outcomeOf(error)
    this.#options.onFailed(outcome instanceof LogError ? outcome : unexpected(error))
  }

  async #end(): Promise<void> {
    const { cluster, group } = this.#options
    cluster.held.remove(group, this.#owned)
    this.#fetcher.stop()
    await this.#membership.stop()
    this.#owned.assign([])
    await Promise.all([cluster.closeLane(this.#lane), cluster.closeLane(this.#joinLane)])
  }

  #isRunning(): boolean {
    return this.#phase === 'running'
  }
}

function commitError(error: unknown): unknown {
  const code = error instanceof BrokerError ? error.code : 0
  if (code === UNKNOWN_MEMBER_ID || MOVING_ON.has(code)) return new LogError('fenced', String(error), error)
  return remedyFor(error) === 'lost' ? unknownUnlessFenced(error) : outcomeOf(error)
}

function unexpected(error: unknown): LogError {
  return new LogError('fatal', error instanceof Error ? error.message : String(error), error)
}
