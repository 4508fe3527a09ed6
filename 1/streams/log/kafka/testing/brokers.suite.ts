import { startCluster, type Broker, type KafkaCluster } from '../../../../dev/stack/cluster/cluster.ts'
import { identify } from '../../../../dev/stack/process-identity.ts'
import { connectKafka } from '../../kafka.ts'
import type { LogClient, TopicPartition } from '../../port.ts'
import { openCluster } from '../cluster/open-cluster.ts'
import { unique } from './held-transaction.suite.ts'

/** Three brokers with a proxy before each, and clients that go through it or past it. */
export interface Brokers {
  readonly cluster: KafkaCluster
  /** Past the proxy: for what a test says about the outcome. */
  readonly direct: LogClient
  /** A client under test, through the proxy; closed after the case. */
  connect(options?: { readonly brokers?: readonly string[]; readonly clientId?: string }): LogClient
  partition(name: string, partitions?: number): Promise<TopicPartition>
  leader(at: TopicPartition): Promise<Broker>
  coordinator(kind: 'group' | 'transaction', key: string): Promise<Broker>
  /** Lets all live again that a case has taken away. */
  mend(): Promise<void>
  stop(): Promise<void>
}

const NODES = 3

export async function startBrokers(): Promise<Brokers> {
  const cluster = await startCluster({ brokers: NODES, say: () => undefined })
  const { addresses, brokers, proxy } = cluster
  const direct = connectKafka({ brokers: addresses, clientId: 'judge' })
  let clients: LogClient[] = []
  /** What the cluster says now: nothing of it is remembered from before a move. */
  const ask = async (work: (about: ReturnType<typeof openCluster>) => Promise<number>): Promise<Broker> => {
    const about = openCluster({ brokers: addresses, clientId: 'judge' })
    const id = await work(about)
    await about.close()
    const found = brokers.find((one) => one.id === id)
    if (found === undefined) throw new Error(`there is no broker ${id}`)
    return found
  }
  return {
    cluster,
    direct,
    connect: ({ brokers: list = proxy.addresses, clientId = 'tested' } = {}) => {
      const client = connectKafka({ brokers: list, clientId })
      clients.push(client)
      return client
    },
    async partition(name, partitions = 1) {
      const at = { topic: unique(name), partition: 0 }
      const config = { 'retention.ms': '-1' }
      await direct.admin.ensureTopics([{ name: at.topic, partitions, replicas: NODES, config }])
      return at
    },
    leader: ({ topic, partition }) => ask((about) => about.leaderOf(topic, partition)),
    coordinator: (kind, key) => ask((about) => about.coordinatorOf(kind, key)),
    async mend() {
      await proxy.mend()
      await Promise.all(clients.map((client) => client.close()))
      clients = []
      // A case that failed in the middle has not done so itself.
      for (const broker of brokers) {
        if (identify(broker.pid()) === undefined) await broker.start()
        else broker.thaw()
      }
      await cluster.whole()
    },
    async stop() {
      await direct.close()
      await cluster.stop()
    },
  }
}
