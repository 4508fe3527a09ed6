import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { hasDockerEngine } from '../docker.ts'
import { findProgram } from '../install.ts'
import { hasKafkaJars } from '../kafka-jars.ts'
import { isReady, prepareNode, warmUp, type KafkaNode } from '../kafka.ts'
import { clearLeftovers, clearRun } from '../leftovers.ts'
import { ensureLocalPrograms, startPrepared, type LocalServer } from '../local.ts'
import { KafkaProxy } from '../proxy/kafka-proxy.ts'
import { createRunFolder, stackRoot } from '../run-folder.ts'
import { once, onStderr, workplace, type StackOptions } from '../stack.ts'
import type { Workplace } from '../workplace.ts'
import { guard } from './guard.ts'

export interface ClusterOptions extends Omit<StackOptions, 'env' | 'docker'> {
  readonly brokers: number
}

export interface Broker extends LocalServer<string> {
  /** As Kafka counts them, from 1. */
  readonly id: number
  /** SIGSTOP: connections stay open, and nothing answers. */
  freeze(): void
  thaw(): void
}

export interface KafkaCluster {
  readonly brokers: readonly Broker[]
  /** Past the proxy, for those who judge. */
  readonly addresses: readonly string[]
  /** Its addresses lead through it, and all that is learnt from them as well. */
  readonly proxy: KafkaProxy
  /** Resolves when every copy of every partition is in sync again, on all brokers. */
  whole(): Promise<void>
  /** Takes everything down and removes its data; resolves when nothing is left. */
  stop(): Promise<void>
}

/** Megabytes a broker; three of them and the tests fit beside the ordinary stack. */
const HEAP = { initial: 64, max: 320 }
const WHOLE_WITHIN_MS = 90_000
const LOOK_MS = 200

/**
 * Whether brokers can run as programs here. Where containers serve the stack, Java may be missing
 * and is then not asked for; elsewhere the stack has brought it, or has said what to install.
 */
export async function canStartCluster(): Promise<boolean> {
  const collected = hasKafkaJars(join(stackRoot, 'cache')) || findProgram('mvn') !== undefined
  return (findProgram('java') !== undefined && collected) || !(await hasDockerEngine())
}

/** Starts some brokers of one cluster and resolves when all of them work together. */
export async function startCluster(options: ClusterOptions): Promise<KafkaCluster> {
  const root = options.root ?? stackRoot
  await clearLeftovers(root, options.say ?? onStderr)
  const run = createRunFolder(root)
  const place = workplace(root, run, options)
  const closing: (() => Promise<unknown>)[] = [guard(run)]
  const stop = once(async () => {
    for (const close of closing.toReversed()) await close()
  })
  closing.push(() => clearRun(run))
  try {
    const nodes = await nodesOf(options.brokers, place)
    const proxy = await KafkaProxy.open(nodes.map(({ ports: { proxied } }) => hopOf(proxied)))
    closing.push(() => proxy.close())
    const brokers = await startBrokers(nodes, place)
    closing.push(() => Promise.all(brokers.map((one) => one.crash())))
    const addresses = brokers.map(({ address }) => address)
    await untilWhole(addresses)
    await warmUp(addresses[0] ?? '')
    await untilWhole(addresses)
    return { brokers, addresses, proxy, whole: () => untilWhole(addresses), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Proxied = Required<KafkaNode['ports']>['proxied']

const hopOf = ({ behind, advertised }: Proxied) => ({
  target: { host: '127.0.0.1', port: behind },
  port: advertised,
})

type ProxiedNode = KafkaNode & { readonly ports: { readonly proxied: Proxied } }

async function nodesOf(brokers: number, place: Workplace): Promise<readonly ProxiedNode[]> {
  const nodes: ProxiedNode[] = []
  for (let id = 1; id <= brokers; id += 1) {
    const proxied = { behind: await place.port(), advertised: await place.port() }
    nodes.push({ id, ports: { broker: await place.port(), controller: await place.port(), proxied } })
  }
  return nodes
}

/** All at the same time: a node answers once there is a majority. None, when one cannot start. */
async function startBrokers(nodes: readonly ProxiedNode[], place: Workplace): Promise<readonly Broker[]> {
  await ensureLocalPrograms(['kafka'], place)
  const began = Date.now()
  const settled = await Promise.allSettled(
    nodes.map(async (node) => {
      const name = `kafka-${node.id}`
      const prepared = await prepareNode(place, name, node, nodes, HEAP)
      return brokerOf(node.id, await startPrepared(name, prepared, place))
    }),
  )
  const started = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed === undefined) {
    place.say(`${nodes.length} brokers are ready after ${((Date.now() - began) / 1000).toFixed(1)} s`)
    return started
  }
  await Promise.all(started.map((one) => one.crash()))
  throw failed.reason
}

const brokerOf = (id: number, server: LocalServer<string>): Broker => ({
  ...server,
  id,
  freeze: () => void process.kill(server.pid(), 'SIGSTOP'),
  thaw: () => void process.kill(server.pid(), 'SIGCONT'),
})

async function untilWhole(addresses: readonly string[]): Promise<void> {
  const deadlineMs = Date.now() + WHOLE_WITHIN_MS
  while (!(await isWhole(addresses))) {
    if (Date.now() > deadlineMs) throw new Error(`the cluster is not whole after ${WHOLE_WITHIN_MS / 1000} s`)
    await sleep(LOOK_MS)
  }
}

async function isWhole(addresses: readonly string[]): Promise<boolean> {
  for (const address of addresses) {
    if (!(await isReady(address, addresses.length)) || !(await isInSync(address))) return false
  }
  return true
}

async function isInSync(address: string): Promise<boolean> {
  const retry = { retries: 0 }
  const kafka = new Kafka({ clientId: 'stack', brokers: [address], logLevel: logLevel.NOTHING, retry })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata()
    return topics.every(({ partitions }) =>
      partitions.every(({ isr, replicas, leader }) => leader >= 0 && isr.length === replicas.length),
    )
  } catch {
    return false
  } finally {
    await admin.disconnect()
  }
}
