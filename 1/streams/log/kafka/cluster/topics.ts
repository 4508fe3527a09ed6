import { LogError } from '../../port.ts'
import type { TopicSpec } from '../../port.ts'
import { createTopics, deleteTopics } from '../codecs/apis.ts'
import { BrokerError, TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC } from './broker-error.ts'
import { Attempts, PATIENT_MS_MAX } from './clock.ts'
import type { Cluster } from './cluster.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { settle } from './topic-settings.ts'

/**
 * What the controller may take for one request, and how long a change may take to be known
 * everywhere.
 */
const CONTROLLER_WITHIN_MS = 8_000
const KNOWN_WITHIN_MS = 15_000

/** Creates what is missing, then looks at all of them. */
export async function ensureTopics(cluster: Cluster, lane: Lane, specs: readonly TopicSpec[]): Promise<void> {
  const names = specs.map(({ name }) => name)
  const existing = await cluster.partitionCounts(names)
  const missing = specs.filter(({ name }) => !existing.has(name))
  // Verified before any is created, so that a refused call has changed nothing.
  await verify(
    cluster,
    lane,
    specs.filter(({ name }) => existing.has(name)),
    existing,
  )
  if (missing.length === 0) return
  await create(cluster, lane, missing)
  await verify(cluster, lane, missing, await untilKnown(cluster, missing))
}

export async function removeTopics(cluster: Cluster, lane: Lane, names: readonly string[]): Promise<void> {
  const [first] = names
  if (first === undefined) return
  const call = deleteTopics({ topics: [...names], timeout: CONTROLLER_WITHIN_MS })
  const { topicErrors } = await cluster.send(lane, await cluster.controller(first), call)
  for (const name of names) cluster.forgetTopic(name)
  const failed = topicErrors.find(({ errorCode }) => errorCode !== 0)
  if (failed?.errorCode === UNKNOWN_TOPIC) throw new LogError('fatal', `there is no topic ${failed.topic}`)
  if (failed !== undefined) throw new BrokerError(failed.errorCode, 'DeleteTopics', failed.topic)
}

async function create(cluster: Cluster, lane: Lane, specs: readonly TopicSpec[]): Promise<void> {
  const topics = specs.map(({ name, partitions, replicas, config }) => ({
    topic: name,
    numPartitions: partitions,
    replicationFactor: replicas,
    configEntries: Object.entries(config).map(([setting, value]) => ({ name: setting, value })),
  }))
  const nodeId = await cluster.controller(specs[0]?.name ?? '')
  const { topicErrors } = await cluster.send(
    lane,
    nodeId,
    createTopics({ topics, timeout: CONTROLLER_WITHIN_MS }),
  )
  for (const { topic, errorCode, errorMessage } of topicErrors) {
    // Another process starts at the same time.
    if (errorCode === 0 || errorCode === TOPIC_ALREADY_EXISTS) continue
    throw new BrokerError(errorCode, 'CreateTopics', `${topic}: ${errorMessage ?? 'no reason given'}`)
  }
}

/** Until every partition has a leader that this client's brokers know of. */
async function untilKnown(cluster: Cluster, specs: readonly TopicSpec[]): Promise<Map<string, number>> {
  const attempts = new Attempts(cluster.clock, cluster.clock.now() + KNOWN_WITHIN_MS, PATIENT_MS_MAX)
  for (;;) {
    const counts = await cluster.partitionCounts(specs.map(({ name }) => name))
    const isLed = ({ name }: TopicSpec) =>
      Array.from({ length: counts.get(name) ?? 0 }, (_, p) => cluster.knownLeader(name, p)).every(
        (leader) => leader !== undefined,
      )
    const unknown = specs.find((spec) => !counts.has(spec.name) || !isLed(spec))
    if (unknown === undefined) return counts
    if (!(await attempts.another())) throw new BrokerError(UNKNOWN_TOPIC, 'Metadata', unknown.name)
  }
}

async function verify(
  cluster: Cluster,
  lane: Lane,
  specs: readonly TopicSpec[],
  counts: ReadonlyMap<string, number>,
): Promise<void> {
  if (specs.length === 0) return
  for (const { name, partitions } of specs) {
    const found = counts.get(name)
    if (found !== partitions)
      throw new LogError('fatal', `topic ${name}: ${partitions} partitions expected, ${found ?? 0} found`)
  }
  await settle(cluster, lane, specs)
}
