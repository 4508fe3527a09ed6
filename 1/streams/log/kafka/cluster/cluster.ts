import { LogError } from '../../port.ts'
import { findCoordinator } from '../codecs/apis.ts'
import { metadataRequest } from '../codecs/metadata-request.ts'
import type { Compression } from '../codecs/packing/compress.ts'
import type { PartitionLeader, TopicMetadata } from '../codecs/metadata-request.ts'
import { BrokerError, UNKNOWN_TOPIC } from './broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './clock.ts'
import type { Clock } from './clock.ts'
import { within } from '../wire/call.ts'
import type { CallFor } from '../wire/call.ts'
import { HeldPartitions } from '../reading/held-partitions.ts'
import { BrokerConnections } from '../wire/broker-connections.ts'
import type { Lane, BrokerConnectionsOptions } from '../wire/broker-connections.ts'

/**
 * How long a topic may go without a leader, or be unknown to a broker that has just heard of it.
 */
const LEADER_WITHIN_MS = 5_000

/** What writing and coordinating need of a cluster; tests put a model in its place. */
export type Brokers = Pick<
  Cluster,
  | 'clock'
  | 'compression'
  | 'held'
  | 'send'
  | 'sendAny'
  | 'knownLeader'
  | 'leaderOf'
  | 'forgetTopic'
  | 'coordinatorOf'
  | 'forgetCoordinator'
>

type CoordinatorKind = 'group' | 'transaction'

const NO_LEADER = -1

/** Any broker answers this from memory; one that does not is asked after the others. */
const FIND_WITHIN_MS = 4_000

/**
 * Who leads and who coordinates what, remembered until somebody reports that it is not so any more.
 * kafkajs's own cluster asks for a coordinator before every request and fails as a whole when one
 * of its topics is gone.
 */
export class Cluster {
  readonly clock: Clock
  /** How batches are packed for this cluster. */
  readonly compression: Compression
  /** What the members of this client hold. */
  readonly held = new HeldPartitions()
  readonly #connections: BrokerConnections
  readonly #topics = new Map<string, TopicMetadata>()
  readonly #coordinators = new Map<string, number>()
  readonly #refreshing = new Map<string, Promise<void>>()

  constructor(options: BrokerConnectionsOptions, clock: Clock, compression: Compression = 'none') {
    this.#connections = new BrokerConnections(options)
    this.clock = clock
    this.compression = compression
  }

  /** One request to a broker that an earlier answer of this cluster named. */
  async send<Answer extends object>(lane: Lane, nodeId: number, call: CallFor<Answer>): Promise<Answer> {
    return this.#connections.send(lane, nodeId, call)
  }

  /** One request that any broker answers. */
  async sendAny<Answer extends object>(call: CallFor<Answer>): Promise<Answer> {
    return this.#connections.sendAny(call)
  }

  /** The node that leads a partition, if that is known without asking. */
  knownLeader(topic: string, partition: number): number | undefined {
    return this.knownLeadership(topic, partition)?.leader
  }

  /** The same with the epoch in which it leads. */
  knownLeadership(topic: string, partition: number): PartitionLeader | undefined {
    const known = this.#topics.get(topic)?.leaders[partition]
    return known?.leader === NO_LEADER ? undefined : known
  }

  /** The id of a topic as the cluster said when it was last asked, if it tells ids. */
  knownTopicId(topic: string): string | undefined {
    return this.#topics.get(topic)?.topicId
  }

  /** Throws `fatal` when the topic or the partition does not exist. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const known = this.knownLeader(topic, partition)
    if (known !== undefined) return known
    const attempts = new Attempts(this.clock, this.clock.now() + LEADER_WITHIN_MS, PATIENT_MS_MAX)
    for (;;) {
      await this.refresh([topic])
      const leaders = this.#topics.get(topic)?.leaders
      const leader = leaders?.[partition]?.leader
      if (leader !== undefined && leader !== NO_LEADER) return leader
      if (leaders !== undefined && leader === undefined)
        throw new LogError('fatal', `there is no partition ${topic}:${partition}`)
      if (await attempts.another()) continue
      if (leaders === undefined) throw new LogError('fatal', `there is no topic ${topic}`)
      throw new BrokerError(UNKNOWN_TOPIC, 'Metadata', `${topic}:${partition} has no leader`)
    }
  }

  /** Partition count by topic, as the cluster says now; topics that do not exist are absent. */
  async partitionCounts(topics: readonly string[]): Promise<Map<string, number>> {
    if (topics.length === 0) return new Map()
    await this.refresh(topics)
    const counts = topics.map((topic): [string, number] => [
      topic,
      this.#topics.get(topic)?.leaders.length ?? 0,
    ])
    return new Map(counts.filter(([, count]) => count > 0))
  }

  forgetTopic(topic: string): void {
    this.#topics.delete(topic)
  }

  /** The node of the coordinator of a group or of a transactional id. */
  async coordinatorOf(kind: CoordinatorKind, key: string): Promise<number> {
    const known = this.#coordinators.get(`${kind} ${key}`)
    if (known !== undefined) return known
    const coordinatorType = kind === 'group' ? 0 : 1
    const { errorCode, coordinator } = await this.#connections.sendAny(
      within(findCoordinator({ groupId: key, coordinatorType }), FIND_WITHIN_MS),
    )
    if (errorCode !== 0) throw new BrokerError(errorCode, 'FindCoordinator')
    this.#connections.learn(coordinator)
    this.#coordinators.set(`${kind} ${key}`, coordinator.nodeId)
    return coordinator.nodeId
  }

  forgetCoordinator(kind: CoordinatorKind, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`)
  }

  /**
   * The node that creates and deletes topics. `topic` is any name: a question about none is one
   * about all.
   */
  async controller(topic: string): Promise<number> {
    const answer = await this.#connections.sendAny(metadataRequest([topic]))
    this.#connections.learnAll(answer.brokers)
    return answer.controllerId
  }

  /** Asks anew who leads; callers that ask for the same at the same time share the answer. */
  async refresh(topics: readonly string[]): Promise<void> {
    const key = topics.toSorted().join(' ')
    const running = this.#refreshing.get(key)
    if (running !== undefined) return running
    const refreshing = this.#refresh(topics).finally(() => this.#refreshing.delete(key))
    this.#refreshing.set(key, refreshing)
    return refreshing
  }

  closeLane(lane: Lane): Promise<void> {
    this.#connections.closeLane(lane)
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#connections.close()
    return Promise.resolve()
  }

  async #refresh(topics: readonly string[]): Promise<void> {
    const answer = await this.#connections.sendAny(metadataRequest(topics))
    this.#connections.learnAll(answer.brokers)
    for (const found of answer.topics) {
      const { topic, errorCode, leaders } = found
      if (errorCode !== 0 || leaders.length === 0) this.#topics.delete(topic)
      else this.#topics.set(topic, found)
    }
  }
}
