import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { runOrExplain } from './command.ts'
import { ensureKafkaJars, kafkaSources } from './kafka-jars.ts'
import type { Prepared, Workplace } from './workplace.ts'

/** One id for all runs: a run never meets the data of another one. */
const clusterId = 'c21zLXN0cmVhbXMtZGV2AA'

/** One node of a cluster; all of them are broker and controller. */
export interface KafkaNode {
  /** From 1. */
  readonly id: number
  readonly ports: {
    readonly broker: number
    readonly controller: number
    /** Where a proxy reaches the broker, and what is advertised to those who come by it. */
    readonly proxied?: { readonly behind: number; readonly advertised: number }
  }
}

const REPLICAS_MAX = 3

const listenersOf = ({ ports: { broker, controller, proxied } }: KafkaNode): Record<string, string> => {
  const own = `PLAINTEXT://127.0.0.1:${broker}`
  const [behind, advertised] =
    proxied === undefined
      ? ['', '']
      : [`,PROXIED://127.0.0.1:${proxied.behind}`, `,PROXIED://127.0.0.1:${proxied.advertised}`]
  return {
    listeners: `${own},CONTROLLER://127.0.0.1:${controller}${behind}`,
    'advertised.listeners': `${own}${advertised}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT',
  }
}

/** What is kept by as many nodes as there are, up to three, and acknowledged by all but one. */
const copiesOf = (nodes: number): Record<string, number> => {
  const replicas = Math.min(nodes, REPLICAS_MAX)
  const inSync = Math.max(replicas - 1, 1)
  return {
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
  }
}

/** Faster than the defaults, so that a test need not wait for minutes until a broker is missed. */
const QUICK_CLUSTER = {
  'broker.session.timeout.ms': 4_000,
  'broker.heartbeat.interval.ms': 500,
  // Leaders go back to a broker that has returned: one more move.
  'leader.imbalance.check.interval.seconds': 5,
  'leader.imbalance.per.broker.percentage': 0,
}

/** What differs from Kafka's defaults is what few nodes or a quick start need. */
const serverProperties = (node: KafkaNode, nodes: readonly KafkaNode[], data: string): string =>
  Object.entries({
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': nodes.map(({ id, ports }) => `${id}@127.0.0.1:${ports.controller}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    ...listenersOf(node),
    'log.dirs': data,
    // A topic that nobody declared is a mistake here as in production.
    'auto.create.topics.enable': false,
    'num.partitions': 4,
    ...copiesOf(nodes.length),
    ...(nodes.length > 1 ? QUICK_CLUSTER : {}),
    // They spread groups over brokers. On one, each only adds to a transaction of several groups.
    'offsets.topic.num.partitions': nodes.length === 1 ? 1 : 4,
    'transaction.state.log.num.partitions': 4,
    // How long a broker rests that finds the transaction before still writing its markers, which
    // takes it 2 to 5 ms. The default of 20 ms is what a transaction waits that follows at once.
    'add.partitions.to.txn.retry.backoff.ms': 2,
    // The default waits 3 s for more members at the first join of every group.
    'group.initial.rebalance.delay.ms': 0,
    'num.network.threads': 2,
    'num.io.threads': 4,
    // An eighth of the default, which alone is an eighth of the heap below.
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    // Each partition maps two index files of this size.
    'log.index.size.max.bytes': 1_048_576,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

const client = (broker: string, retries: number): Kafka =>
  new Kafka({
    clientId: 'stack',
    brokers: [broker],
    connectionTimeout: 1_000,
    logLevel: logLevel.NOTHING,
    retry: { retries, initialRetryTime: 50, maxRetryTime: 500 },
  })

/** Whether this broker answers and knows of so many. */
export const isReady = async (broker: string, brokersMin = 1): Promise<boolean> => {
  const admin = client(broker, 0).admin()
  try {
    await admin.connect()
    return (await admin.describeCluster()).brokers.length >= brokersMin
  } catch {
    return false
  } finally {
    await admin.disconnect()
  }
}

/**
 * Asks for the coordinator of a group and of a transaction; rejects while the broker still makes
 * the topics of either.
 */
const askCoordinators = async (broker: string): Promise<void> => {
  const kafka = client(broker, 10)
  const admin = kafka.admin()
  const producer = kafka.producer({ transactionalId: 'stack', maxInFlightRequests: 1 })
  try {
    await Promise.all([admin.connect(), producer.connect()])
    await admin.fetchOffsets({ groupId: 'stack', topics: [] })
    await (await producer.transaction()).abort()
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  }
}

const warmUpAttemptsMax = 60
const warmUpPauseMs = 250

/**
 * The broker makes its own topics for offsets and transactions when they are first needed, and
 * refuses until they are there. After this the first group and the first transaction of a test find
 * them.
 */
export const warmUp = async (broker: string): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await askCoordinators(broker)
    } catch (error) {
      if (attempt === warmUpAttemptsMax) throw error
      await sleep(warmUpPauseMs)
    }
  }
}

/**
 * Kafka's own `kafka-storage format`: a log folder belongs to one cluster before its first start.
 */
const format = async (
  place: Workplace,
  java: string,
  classpath: string,
  properties: string,
): Promise<void> => {
  const quickStart = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx128m']
  const args = [...quickStart, '-cp', classpath, 'kafka.tools.StorageTool', 'format']
  await runOrExplain('Formatting the log folder', java, [...args, '-t', clusterId, '-c', properties], {
    abort: place.abort,
  })
}

/** Megabytes: at the start, at most. */
interface Heap {
  readonly initial: number
  readonly max: number
}

const javaArguments = (heap: Heap, classpath: string, properties: string): readonly string[] => [
  `-Xms${heap.initial}m`,
  `-Xmx${heap.max}m`,
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  `-Dlog4j2.configurationFile=${join(kafkaSources, 'log4j2.properties')}`,
  '-cp',
  classpath,
  'kafka.Kafka',
  properties,
]

/**
 * Formats the folder of one node and says how it is started. `name` is that of its folder, log and
 * record. It is ready when it answers, be it alone.
 */
export const prepareNode = async (
  place: Workplace,
  name: string,
  node: KafkaNode,
  nodes: readonly KafkaNode[],
  heap: Heap,
): Promise<Prepared> => {
  const folder = join(place.run.path, name)
  mkdirSync(folder)
  const properties = join(folder, 'server.properties')
  writeFileSync(properties, serverProperties(node, nodes, join(folder, 'data')))
  const classpath = join(await ensureKafkaJars(place), '*')
  const java = await place.binary('java')
  await format(place, java, classpath, properties)
  const address = `127.0.0.1:${node.ports.broker}`
  return {
    address,
    child: {
      name,
      command: java,
      args: javaArguments(heap, classpath, properties),
      cwd: folder,
      logFile: join(place.run.path, `${name}.log`),
      stopSignal: 'SIGTERM',
      stopWithinMs: 15_000,
      readyWithinMs: 120_000,
      isReady: async () => isReady(address),
    },
  }
}

/** Apache Kafka (KRaft, one node) as a child process, from the jars that Maven resolves. */
export const prepareKafka = async (place: Workplace): Promise<Prepared> => {
  const node = { id: 1, ports: { broker: await place.port(), controller: await place.port() } }
  const prepared = await prepareNode(place, 'kafka', node, [node], { initial: 256, max: 1_024 })
  return { ...prepared, warmUp: async () => warmUp(prepared.address) }
}
