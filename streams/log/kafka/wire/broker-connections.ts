import type { BrokerAddress } from '../codecs/apis.ts'
import { isLost } from '../cluster/broker-error.ts'
import type { Call, KafkaBroker } from './kafkajs-types.ts'
import { BrokerConnection } from './broker-connection.ts'
import type { BrokerConnectionOptions } from './broker-connection.ts'

export interface BrokerConnectionsOptions extends BrokerConnectionOptions {
  /** `host:port` of some brokers; the rest are found through them. */
  readonly seeds: readonly string[]
}

/** A user of the cluster with connections of its own, by name. */
export type Lane = string

/** Where the cluster is asked about itself. */
const CONTROL: Lane = 'control'

/** All connections of a client, by lane and broker. */
export class BrokerConnections {
  readonly #options: BrokerConnectionsOptions
  readonly #addresses = new Map<number, BrokerAddress>()
  readonly #open = new Map<string, BrokerConnection>()
  #seed = 0

  constructor(options: BrokerConnectionsOptions) {
    this.#options = options
  }

  /** @param nodeId of a broker that `learn` has seen */
  async send<Answer extends object>(
    lane: Lane,
    nodeId: number,
    call: (broker: KafkaBroker) => Call<Answer>,
  ): Promise<Answer> {
    return this.#connection(lane, nodeId).send(call)
  }

  /** Any broker will do: those known first, then the seeds. */
  async sendAny<Answer extends object>(call: (broker: KafkaBroker) => Call<Answer>): Promise<Answer> {
    let last: unknown
    for (const connection of this.#candidates()) {
      try {
        return await connection.send(call)
      } catch (error) {
        if (!isLost(error)) throw error
        last = error
      }
    }
    throw last
  }

  /** Remembers where brokers are; connections to where one was are closed. */
  learn(brokers: readonly BrokerAddress[]): void {
    for (const broker of brokers) {
      const known = this.#addresses.get(broker.nodeId)
      if (known?.host === broker.host && known.port === broker.port) continue
      this.#addresses.set(broker.nodeId, broker)
      void this.#closeWhere((key) => key.endsWith(` ${broker.nodeId}`))
    }
  }

  async closeLane(lane: Lane): Promise<void> {
    await this.#closeWhere((key) => key.startsWith(`${lane} `))
  }

  async close(): Promise<void> {
    await this.#closeWhere(() => true)
  }

  async #closeWhere(chosen: (key: string) => boolean): Promise<void> {
    const links = [...this.#open].filter(([key]) => chosen(key))
    for (const [key] of links) this.#open.delete(key)
    await Promise.all(links.map(([, connection]) => connection.close()))
  }

  *#candidates(): Generator<BrokerConnection> {
    for (const nodeId of this.#addresses.keys()) yield this.#connection(CONTROL, nodeId)
    const { seeds } = this.#options
    for (let left = seeds.length; left > 0; left -= 1, this.#seed += 1) {
      const seed = seeds[this.#seed % seeds.length] ?? ''
      const colon = seed.lastIndexOf(':')
      const address = { host: seed.slice(0, colon), port: Number(seed.slice(colon + 1)) }
      yield this.#connectionAt(`${CONTROL} ${seed}`, address)
    }
  }

  #connection(lane: Lane, nodeId: number): BrokerConnection {
    const address = this.#addresses.get(nodeId)
    if (address === undefined) throw new TypeError(`broker ${nodeId} is not known`)
    return this.#connectionAt(`${lane} ${nodeId}`, address)
  }

  #connectionAt(key: string, address: { readonly host: string; readonly port: number }): BrokerConnection {
    const open = this.#open.get(key)
    if (open !== undefined) return open
    const connection = new BrokerConnection(address, this.#options)
    this.#open.set(key, connection)
    return connection
  }
}
