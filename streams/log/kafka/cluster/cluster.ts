import { LogError } from '../../port.ts'
import { findCoordinator, metadata } from '../codecs/apis.ts'
import { BrokerError, UNKNOWN_TOPIC } from './broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './clock.ts'
import type { Clock } from './clock.ts'
import type { Call, KafkaBroker } from '../wire/kafkajs-types.ts'
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

/**
 * Who leads and who coordinates what, remembered until somebody reports that it is not so any more.
 * kafkajs's own cluster asks for a coordinator before every request and fails as a whole when one
 * of its topics is gone.
 */
export class Cluster {
  readonly clock: Clock
  readonly #connections: BrokerConnections
  readonly #leaders = new Map<string, readonly number[]>()
  readonly #coordinators = new Map<string, number>()
  readonly #refreshing = new Map<string, Promise<void>>()

  constructor(options: BrokerConnectionsOptions, clock: Clock) {
    this.#connections = new BrokerConnections(options)
    this.clock = clock
  }

  /** One request to a broker that an earlier answer of this cluster named. */
  async send<Answer extends object>(
    lane: Lane,
    nodeId: number,
    call: (broker: KafkaBroker) => Call<Answer>,
  ): Promise<Answer> {
    return this.#connections.send(lane, nodeId, call)
  }

  /** One request that any broker answers. */
  async sendAny<Answer extends object>(call: (broker: KafkaBroker) => Call<Answer>): Promise<Answer> {
    return this.#connections.sendAny(call)
  }

  /** The node that leads a partition, if that is known without asking. */
  knownLeader(topic: string, partition: number): number | undefined {
    const leader = this.#leaders.get(topic)?.[partition]
    return leader === NO_LEADER ? undefined : leader
  }

  /** Throws `fatal` when the topic or the partition does not exist. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const known = this.knownLeader(topic, partition)
    if (known !== undefined) return known
    const attempts = new Attempts(this.clock, this.clock.now() + LEADER_WITHIN_MS, PATIENT_MS_MAX)
    for (;;) {
      await this.refresh([topic])
      const leaders = this.#leaders.get(topic)
      const leader = leaders?.[partition]
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
    const counts = topics.map((topic): [string, number] => [topic, this.#leaders.get(topic)?.length ?? 0])
    return new Map(counts.filter(([, count]) => count > 0))
  }

  forgetTopic(topic: string): void {
    this.#leaders.delete(topic)
  }

  /** The node of the coordinator of a group or of a transactional id. */
  async coordinatorOf(kind: CoordinatorKind, key: string): Promise<number> {
    const known = this.#coordinators.get(`${kind} ${key}`)
    if (known !== undefined) return known
    const coordinatorType = kind === 'group' ? 0 : 1
    const { errorCode, coordinator } = await this.#connections.sendAny(
      findCoordinator({ groupId: key, coordinatorType }),
    )
    if (errorCode !== 0) throw new BrokerError(errorCode, 'FindCoordinator')
    this.#connections.learn([coordinator])
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
    const answer = await this.#connections.sendAny(
      metadata({ topics: [topic], allowAutoTopicCreation: false }),
    )
    this.#connections.learn(answer.brokers)
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

  async closeLane(lane: Lane): Promise<void> {
    await this.#connections.closeLane(lane)
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }

  async #refresh(topics: readonly string[]): Promise<void> {
    const answer = await this.#connections.sendAny(metadata({ topics, allowAutoTopicCreation: false }))
    this.#connections.learn(answer.brokers)
    for (const { topic, topicErrorCode, partitionMetadata } of answer.topicMetadata) {
      const leaders: number[] = []
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader
      if (topicErrorCode !== 0 || leaders.length === 0) this.#leaders.delete(topic)
      else this.#leaders.set(topic, leaders)
    }
  }
}
