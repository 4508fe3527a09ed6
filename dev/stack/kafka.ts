import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { runOrExplain } from './command.ts'
import { ensureKafkaJars, kafkaSources } from './kafka-jars.ts'
import type { Prepared, Workplace } from './workplace.ts'

/** One id for all runs: a run never meets the data of another one. */
const clusterId = 'c21zLXN0cmVhbXMtZGV2AA'

interface Ports {
  readonly broker: number
  readonly controller: number
}

/**
 * One node is broker and controller; what differs from Kafka's defaults is what one node or a quick
 * start needs.
 */
const serverProperties = (ports: Ports, data: string): string =>
  Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${ports.broker},CONTROLLER://127.0.0.1:${ports.controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.broker}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': data,
    // A topic that nobody declared is a mistake here as in production.
    'auto.create.topics.enable': false,
    'num.partitions': 4,
    'default.replication.factor': 1,
    'min.insync.replicas': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
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

const isReady = async (broker: string): Promise<boolean> => {
  const admin = client(broker, 0).admin()
  try {
    await admin.connect()
    return (await admin.describeCluster()).brokers.length > 0
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
const warmUp = async (broker: string): Promise<void> => {
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

/** Apache Kafka (KRaft, one node) as a child process, from the jars that Maven resolves. */
export const prepareKafka = async (place: Workplace): Promise<Prepared> => {
  const folder = join(place.run.path, 'kafka')
  mkdirSync(folder)
  const ports = { broker: await place.port(), controller: await place.port() }
  const properties = join(folder, 'server.properties')
  writeFileSync(properties, serverProperties(ports, join(folder, 'data')))
  const classpath = join(await ensureKafkaJars(place), '*')
  const java = await place.binary('java')
  await format(place, java, classpath, properties)
  const logging = `-Dlog4j2.configurationFile=${join(kafkaSources, 'log4j2.properties')}`
  const address = `127.0.0.1:${ports.broker}`
  return {
    address,
    warmUp: async () => warmUp(address),
    child: {
      name: 'kafka',
      command: java,
      args: [
        '-Xms256m',
        '-Xmx1g',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        logging,
        '-cp',
        classpath,
        'kafka.Kafka',
        properties,
      ],
      cwd: folder,
      logFile: join(place.run.path, 'kafka.log'),
      stopSignal: 'SIGTERM',
      stopWithinMs: 15_000,
      readyWithinMs: 120_000,
      isReady: async () => isReady(address),
    },
  }
}
