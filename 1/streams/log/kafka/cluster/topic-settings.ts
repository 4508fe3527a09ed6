import { LogError } from '../../port.ts'
import type { TopicSpec } from '../../port.ts'
import { alterConfigsRequest } from '../codecs/alter-configs-request.ts'
import type { TopicSetting } from '../codecs/alter-configs-request.ts'
import { describeConfigs } from '../codecs/apis.ts'
import { metadataRequest } from '../codecs/metadata-request.ts'
import type { Lane } from '../wire/broker-connections.ts'
import { ownCall } from '../wire/own-call.ts'
import { BrokerError } from './broker-error.ts'
import type { Cluster } from './cluster.ts'

/** What describing and altering call a topic, and a setting that a topic has of its own. */
const TOPIC_RESOURCE = 2
const OWN = 1

const MIN_IN_SYNC = 'min.insync.replicas'

/**
 * Settings that the platform has declared only since it had topics (ADR 0032). A topic on which
 * nobody has set them gets them; what somebody has set is never changed.
 */
const DECLARED_LATER = new Set([MIN_IN_SYNC, 'compression.type'])

interface Found {
  readonly value: string
  readonly isOwn: boolean
}

/** Makes sure that topics have the declared settings; `fatal` names the one that differs. */
export async function settle(cluster: Cluster, lane: Lane, specs: readonly TopicSpec[]): Promise<void> {
  const found = await readSettings(cluster, lane, specs)
  const missing: TopicSetting[] = []
  for (const { name: topic, config } of specs) {
    for (const [name, value] of Object.entries(config)) {
      const is = found.get(topic)?.get(name)
      if (isAsDeclared(name, value, is)) continue
      if (is === undefined || is.isOwn || !DECLARED_LATER.has(name))
        throw new LogError(
          'fatal',
          `topic ${topic}: ${name} ${value} expected, ${is?.value ?? 'nothing'} found`,
        )
      missing.push({ topic, name, value })
    }
  }
  await alter(cluster, lane, await withoutTooFewCopies(cluster, missing))
}

/**
 * Redpanda has no least number of copies: it always waits for most of them. A broker that asks for
 * more by itself is not asked for less.
 */
function isAsDeclared(name: string, value: string, found: Found | undefined): boolean {
  if (found === undefined) return name === MIN_IN_SYNC
  if (name === MIN_IN_SYNC && !found.isOwn && Number(found.value) > Number(value)) return true
  return sorted(found.value) === sorted(value)
}

/** Lists such as `compact,delete` have no order. */
function sorted(value: string): string {
  const parts = value.split(',').map((part) => part.trim())
  return parts.sort().join(',')
}

/**
 * A topic that was made with fewer copies than are declared now would take nothing any more as soon
 * as one broker is away, or at once.
 */
async function withoutTooFewCopies(
  cluster: Cluster,
  settings: readonly TopicSetting[],
): Promise<readonly TopicSetting[]> {
  const topics = [...new Set(settings.filter(({ name }) => name === MIN_IN_SYNC).map(({ topic }) => topic))]
  if (topics.length === 0) return settings
  const answer = await cluster.sendAny(metadataRequest(topics))
  const copiesOf = new Map(answer.topics.map(({ topic, copies }) => [topic, copies]))
  return settings.filter(
    ({ topic, name, value }) => name !== MIN_IN_SYNC || Number(value) < (copiesOf.get(topic) ?? 0),
  )
}

async function alter(cluster: Cluster, lane: Lane, settings: readonly TopicSetting[]): Promise<void> {
  const [first] = settings
  if (first === undefined) return
  const call = ownCall(alterConfigsRequest(settings))
  const { topics } = await cluster.send(lane, await cluster.controller(first.topic), call)
  const refused = topics.find(({ errorCode }) => errorCode !== 0)
  if (refused === undefined) return
  const detail = `${refused.topic}: ${refused.reason}`
  throw new BrokerError(refused.errorCode, 'IncrementalAlterConfigs', detail)
}

async function readSettings(
  cluster: Cluster,
  lane: Lane,
  specs: readonly TopicSpec[],
): Promise<Map<string, Map<string, Found>>> {
  const resources = specs
    .filter(({ config }) => Object.keys(config).length > 0)
    .map(({ name, config }) => ({ type: TOPIC_RESOURCE, name, configNames: Object.keys(config) }) as const)
  if (resources.length === 0) return new Map()
  const nodeId = await cluster.controller(resources[0]?.name ?? '')
  const answer = await cluster.send(lane, nodeId, describeConfigs({ resources, includeSynonyms: false }))
  return new Map(
    answer.resources.map(({ resourceName, configEntries, errorCode }) => {
      if (errorCode !== 0) throw new BrokerError(errorCode, 'DescribeConfigs', resourceName)
      const settings = configEntries.map(({ configName, configValue, configSource }): [string, Found] => [
        configName,
        { value: configValue ?? '', isOwn: configSource === OWN },
      ])
      return [resourceName, new Map(settings)]
    }),
  )
}
