import { startCluster, type KafkaCluster } from '../../stack/cluster/cluster.ts'
import { freePort } from '../../stack/ports.ts'
import { startServers } from '../../stack/stack.ts'

/** Where a run takes place: one broker as everybody has it, or a cluster with a proxy before it. */
export interface Ground {
  /** For those who write the input and judge: past the proxy. */
  readonly brokers: readonly string[]
  readonly forMembers: readonly string[]
  /** Copies of each topic. */
  readonly replicas: number
  readonly cluster: KafkaCluster | undefined
  stop(): Promise<void>
}

export interface GroundOptions {
  readonly brokers: number
  readonly proxy: boolean
}

export async function openGround({ brokers, proxy }: GroundOptions, abort: AbortSignal): Promise<Ground> {
  if (brokers === 1 && !proxy) return givenBroker(abort)
  const cluster = await startCluster({ brokers, abort })
  const addresses = proxy ? cluster.proxy.addresses : cluster.addresses
  // The first of the list has been taken away for good, which must not matter to anybody.
  const removed = brokers > 1 ? [`127.0.0.1:${await freePort()}`] : []
  return {
    brokers: cluster.addresses,
    forMembers: [...removed, ...addresses],
    replicas: brokers,
    cluster,
    stop: () => cluster.stop(),
  }
}

async function givenBroker(abort: AbortSignal): Promise<Ground> {
  const servers = await startServers(['kafka'], { abort })
  const brokers = servers.addresses.get('kafka')?.split(',') ?? []
  return { brokers, forMembers: brokers, replicas: 1, cluster: undefined, stop: () => servers.stop() }
}
