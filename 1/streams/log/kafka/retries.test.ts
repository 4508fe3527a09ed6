import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../platform/logger.ts'
import { expectLogError } from '../testing/scene.suite.ts'
import { KafkaAdmin } from './admin.ts'
import { Cluster } from './cluster/cluster.ts'
import { KafkaConsumer } from './consumer.ts'
import { scriptedCluster, scriptedSettings } from './testing/scripted-cluster.suite.ts'
import { closedAfterEach } from './wire/testing/scripted-broker.suite.ts'

/** How often a question is lost with its connection before it is answered. */
const LOST = 3

describe('what asks while a broker is away', () => {
  const opened = closedAfterEach()

  /** Time goes on by what is waited for. */
  async function world(lost: number) {
    const partition = { epoch: 0, fetch: () => ({}) }
    const scripted = await scriptedCluster(new Map([['t:0', partition]]), { lost })
    opened(scripted.broker)
    let nowMs = 1_000
    const sleep = async (ms: number): Promise<void> => {
      nowMs += ms
      await new Promise((resolve) => void setImmediate(resolve))
    }
    const cluster = new Cluster(scriptedSettings(scripted), { now: () => nowMs, sleep, random: () => 0.5 })
    opened(cluster)
    const consumer = () =>
      new KafkaConsumer({
        cluster,
        name: 'consumer',
        group: 'g',
        topics: ['t'],
        sessionTimeoutMs: 6_000,
        logger: silentLogger,
        onAssigned: () => undefined,
        onRecords: () => undefined,
        onFailed: () => undefined,
      })
    const questions = () => scripted.broker.seen.filter(({ apiKey }) => apiKey === 3).length
    return { cluster, consumer, questions }
  }

  it('a consumer starts once a broker answers', async () => {
    const { consumer, questions } = await world(LOST)
    const starting = consumer()
    await starting.start()
    expect(questions()).toBe(LOST + 1)
    await starting.stop()
  })

  it('a consumer that nobody answers says so, and starts no more', async () => {
    const { consumer, questions } = await world(Number.POSITIVE_INFINITY)
    const starting = consumer()
    await expectLogError(starting.start(), 'retriable')
    expect(questions()).toBeGreaterThan(LOST)
    await expectLogError(starting.start(), 'fatal')
  })

  it('an admin repeats its question until a broker answers', async () => {
    const { cluster, questions } = await world(LOST)
    const admin = new KafkaAdmin(cluster, 'admin')
    expect(await admin.partitions(['t'])).toEqual(new Map([['t', 1]]))
    expect(questions()).toBe(LOST + 1)
  })

  it('an admin gives up when nobody answers', async () => {
    const { cluster, questions } = await world(Number.POSITIVE_INFINITY)
    await expectLogError(new KafkaAdmin(cluster, 'admin').partitions(['t']), 'retriable')
    expect(questions()).toBeGreaterThan(LOST)
  })
})
