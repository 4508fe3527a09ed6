import { BrokerConnection } from './broker-connection.ts'
import type { CallFor } from './call.ts'
import { ConnectionLost } from './connection-lost.ts'
import type { ConnectionSettings } from './open-connection.ts'
import { placeName } from './open-socket.ts'
import type { BrokerPlace } from './open-socket.ts'

export interface BrokerAddress extends BrokerPlace {
  readonly nodeId: number
}

export interface BrokerConnectionsOptions extends ConnectionSettings {
  /** `host:port` of some brokers; the rest are found through them. */
  readonly seeds: readonly string[]
}

/** A user of the cluster with connections of its own, by name. */
export type Lane = string

/** Where the cluster is asked about itself. */
const CONTROL: Lane = 'control'

/** A broker that may be asked about the cluster. */
interface Candidate {
  readonly key: string
  readonly place: BrokerPlace
}

/** All connections of a client, by lane and broker. */
export class BrokerConnections {
  readonly #options: BrokerConnectionsOptions
  readonly #addresses = new Map<number, BrokerAddress>()
  readonly #connections = new Map<string, BrokerConnection>()
  /** Questions in a row that a candidate has not answered, by key. */
  readonly #unanswered = new Map<string, number>()

  constructor(options: BrokerConnectionsOptions) {
    this.#options = options
  }

  /** One request to a broker that `learn` has been told of. */
  async send<Answer extends object>(lane: Lane, nodeId: number, call: CallFor<Answer>): Promise<Answer> {
    const address = this.#addresses.get(nodeId)
    // It was there when the caller asked who leads.
    if (address === undefined) throw new ConnectionLost(`broker ${nodeId} has left the cluster`)
    return this.#connectionTo(`${lane} ${nodeId}`, address).send(call)
  }

  /** Any broker will do. One that did not answer the last time is asked after the others. */
  async sendAny<Answer extends object>(call: CallFor<Answer>): Promise<Answer> {
    let last: unknown
    for (const { key, place } of this.#candidates()) {
      try {
        const answer = await this.#connectionTo(key, place).send(call)
        this.#unanswered.delete(key)
        return answer
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        this.#unanswered.set(key, this.#unansweredBy(key) + 1)
        last = error
      }
    }
    throw last
  }

  /** Remembers where a broker is; connections to where it was are closed. */
  learn(broker: BrokerAddress): void {
    const known = this.#addresses.get(broker.nodeId)
    if (known?.host === broker.host && known.port === broker.port) return
    this.#addresses.set(broker.nodeId, broker)
    this.#forget(broker.nodeId)
  }

  /** Learns of all brokers that there are; those that are not among them are forgotten. */
  learnAll(brokers: readonly BrokerAddress[]): void {
    // A broker that is starting may not know of anybody yet.
    if (brokers.length === 0) return
    const named = new Set(brokers.map(({ nodeId }) => nodeId))
    for (const nodeId of this.#addresses.keys()) {
      if (named.has(nodeId)) continue
      this.#addresses.delete(nodeId)
      this.#forget(nodeId)
    }
    for (const broker of brokers) this.learn(broker)
  }

  closeLane(lane: Lane): void {
    this.#closeWhere((key) => key.startsWith(`${lane} `))
  }

  close(): void {
    this.#closeWhere(() => true)
  }

  #forget(nodeId: number): void {
    this.#closeWhere((key) => key.endsWith(` ${nodeId}`))
    this.#unanswered.delete(`${CONTROL} ${nodeId}`)
  }

  #closeWhere(chosen: (key: string) => boolean): void {
    for (const [key, connection] of this.#connections) {
      if (!chosen(key)) continue
      this.#connections.delete(key)
      connection.close()
    }
  }

  /** Known brokers and then the seeds, those that answer before those that do not. */
  #candidates(): readonly Candidate[] {
    const known = [...this.#addresses.values()].map((place) => ({ key: `${CONTROL} ${place.nodeId}`, place }))
    const names = new Set(known.map(({ place }) => placeName(place)))
    const seeds = this.#options.seeds.filter((seed) => !names.has(seed))
    const all = [...known, ...seeds.map((seed) => ({ key: `${CONTROL} seed ${seed}`, place: placeOf(seed) }))]
    return all.toSorted((a, b) => this.#unansweredBy(a.key) - this.#unansweredBy(b.key))
  }

  #unansweredBy(key: string): number {
    return this.#unanswered.get(key) ?? 0
  }

  #connectionTo(key: string, place: BrokerPlace): BrokerConnection {
    const open = this.#connections.get(key)
    if (open !== undefined) return open
    const connection = new BrokerConnection(place, this.#options)
    this.#connections.set(key, connection)
    return connection
  }
}

function placeOf(seed: string): BrokerPlace {
  const colon = seed.lastIndexOf(':')
  const host = seed.slice(0, colon).replace(/^\[|\]$/g, '')
  return { host, port: Number(seed.slice(colon + 1)) }
}
