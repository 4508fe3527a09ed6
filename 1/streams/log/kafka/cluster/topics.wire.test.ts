import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectKafka } from '../../kafka.ts'
import { partitionKey } from '../../port.ts'
import type { LogClient } from '../../port.ts'
import { expectLogError } from '../../testing/scene.suite.ts'
import { describeConfigs } from '../codecs/apis.ts'
import { brokersFromEnv, unique } from '../testing/held-transaction.suite.ts'
import type { Cluster } from './cluster.ts'
import { openCluster } from './open-cluster.ts'

let client: LogClient
let cluster: Cluster
let name: string

beforeEach(() => {
  client = connectKafka({ brokers: brokersFromEnv(), clientId: 'topics-wire-test' })
  cluster = openCluster({ brokers: brokersFromEnv(), clientId: 'topics' })
  name = unique('settings')
})

afterEach(async () => {
  await client.admin.deleteTopics([name])
  await cluster.close()
  await client.close()
})

const ensure = (config: Record<string, string>): Promise<void> =>
  client.admin.ensureTopics([{ name, partitions: 1, replicas: 1, config }])

/** What the topic has of its own. */
async function ownSetting(setting: string): Promise<string | null | undefined> {
  const resources = [{ type: 2, name, configNames: [setting] }] as const
  const call = describeConfigs({ resources, includeSynonyms: false })
  const answer = await cluster.send('test', await cluster.controller(name), call)
  const entries = answer.resources.flatMap(({ configEntries }) => configEntries)
  return entries.find(({ configSource }) => configSource === 1)?.configValue
}

describe('a topic that was made before a setting was declared', () => {
  it('fault R8: gets it, because nobody had set it', async () => {
    await ensure({ 'retention.ms': '-1' })
    expect(await ownSetting('compression.type')).toBeUndefined()
    await ensure({ 'retention.ms': '-1', 'compression.type': 'gzip' })
    await expect.poll(() => ownSetting('compression.type'), { timeout: 20_000 }).toBe('gzip')
    expect(await ownSetting('retention.ms')).toBe('-1')
  })

  it('keeps what somebody has set on it, and the difference is named', async () => {
    await ensure({ 'compression.type': 'gzip' })
    const refused = await expectLogError(ensure({ 'compression.type': 'producer' }), 'fatal')
    expect(refused.message).toBe(`topic ${name}: compression.type producer expected, gzip found`)
    expect(await ownSetting('compression.type')).toBe('gzip')
  })

  it('is not asked for more copies than it has, and goes on to take records', async () => {
    await ensure({})
    await ensure({ 'min.insync.replicas': '2' })
    expect(await ownSetting('min.insync.replicas')).toBeUndefined()
    const at = { topic: name, partition: 0 }
    const written = await client.writer().write([{ ...at, key: 'k', value: 'v', timestamp: 1 }])
    expect(written.get(partitionKey(at))).toBe(1)
  })

  it('of which another setting differs is refused as before', async () => {
    await ensure({})
    const refused = await expectLogError(ensure({ 'cleanup.policy': 'compact' }), 'fatal')
    expect(refused.message).toBe(`topic ${name}: cleanup.policy compact expected, delete found`)
  })
})
