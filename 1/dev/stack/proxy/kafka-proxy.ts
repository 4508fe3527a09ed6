import { fits, type Act, type Decide, type SeenRequest, type Wanted } from './acts.ts'
import { apiName } from './frames.ts'
import { openHop, type Hop, type Target } from './hop.ts'
import { KafkaConnection } from './kafka-connection.ts'

/** One broker: where it listens for the proxy, and the port that it advertises instead. */
export interface Proxied {
  readonly target: Target
  readonly port: number
}

/** What has come by and what was done to it. */
export interface ProxyCounters {
  connections: number
  /** By the name of the api. */
  readonly requests: Record<string, number>
  /** By kind of act and name of the api. */
  readonly acts: Record<string, number>
  /** Connections that were ended between two frames. */
  cutsBetween: number
}

interface Order {
  readonly wanted: Wanted
  readonly act: Act
  readonly met: (seen: SeenRequest) => void
}

/**
 * Hops in front of all brokers of a cluster, which read Kafka's frames. The brokers advertise the
 * hops, so that every address that a client learns leads through here.
 */
export class KafkaProxy {
  readonly counters: ProxyCounters
  readonly hops: readonly Hop[]
  readonly #state: ProxyState

  private constructor(hops: readonly Hop[], state: ProxyState) {
    this.hops = hops
    this.#state = state
    this.counters = state.counters
  }

  static async open(brokers: readonly Proxied[]): Promise<KafkaProxy> {
    const state = new ProxyState()
    const hops = await Promise.all(
      brokers.map(({ target, port }, broker) =>
        openHop(target, { port, relay: (pair) => state.connect({ ...pair, broker }) }),
      ),
    )
    return new KafkaProxy(hops, state)
  }

  get addresses(): readonly string[] {
    return this.hops.map(({ address }) => address)
  }

  /** Connections on which something can still pass. */
  get open(): readonly KafkaConnection[] {
    return this.#state.open
  }

  /** Api keys that have come by. */
  get seenKeys(): readonly number[] {
    return [...this.#state.seenKeys]
  }

  /** Orders that no request has met yet. */
  get ordered(): number {
    return this.#state.orders.length
  }

  /** Does this to the next request that fits, once; resolves with the request when it is done. */
  next(wanted: Wanted, act: Act): Promise<SeenRequest> {
    return new Promise((resolve) => this.#state.orders.push({ wanted, act, met: resolve }))
  }

  /** Takes back orders that no request has met; answers how many there were. */
  withdraw(): number {
    return this.#state.orders.splice(0).length
  }

  cutBetween(connection: KafkaConnection): void {
    this.counters.cutsBetween += 1
    connection.cut()
  }

  async mend(): Promise<void> {
    this.withdraw()
    await Promise.all(this.hops.map((hop) => hop.mend()))
  }

  async close(): Promise<void> {
    await Promise.all(this.hops.map((hop) => hop.close()))
  }
}

class ProxyState {
  readonly counters: ProxyCounters = { connections: 0, requests: {}, acts: {}, cutsBetween: 0 }
  readonly orders: Order[] = []
  readonly seenKeys = new Set<number>()
  #connections: KafkaConnection[] = []

  get open(): readonly KafkaConnection[] {
    this.#connections = this.#connections.filter((one) => one.isOpen)
    return this.#connections
  }

  connect(options: Omit<ConstructorParameters<typeof KafkaConnection>[0], 'connection' | 'decide'>): void {
    this.counters.connections += 1
    const { connections } = this.counters
    const made = new KafkaConnection({ ...options, connection: connections, decide: this.#decide })
    this.#connections = [...this.open, made]
  }

  readonly #decide: Decide = (seen) => {
    const name = apiName(seen.apiKey)
    this.seenKeys.add(seen.apiKey)
    count(this.counters.requests, name)
    const at = this.orders.findIndex(({ wanted }) => fits(wanted, seen))
    const [order] = at < 0 ? [] : this.orders.splice(at, 1)
    if (order === undefined) return undefined
    count(this.counters.acts, `${order.act.kind} ${name}`)
    order.met(seen)
    return order.act
  }
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}
