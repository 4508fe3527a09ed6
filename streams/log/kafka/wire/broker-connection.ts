import type { BrokerAddress } from '../codecs/apis.ts'
import { internals } from './internals.ts'
import type { Call, KafkaBroker, KafkaLogger } from './kafkajs-types.ts'

/** How to reach a broker; the same for all of them. */
export interface BrokerConnectionOptions {
  readonly clientId: string
  readonly logger: KafkaLogger
  readonly socketFactory: unknown
  readonly ssl: unknown
  readonly sasl: unknown
  readonly connectionTimeoutMs: number
  readonly requestTimeoutMs: number
}

/**
 * Connections to one broker: one for fetches and one for everything else, opened at first use. A
 * broker answers the requests of a connection one after the other and holds some of them back
 * (fetches, joins). So users that must not wait for each other have a lane each.
 */
export class BrokerConnection {
  readonly #broker: KafkaBroker

  constructor({ host, port }: Pick<BrokerAddress, 'host' | 'port'>, options: BrokerConnectionOptions) {
    const { Broker, ConnectionPool } = internals()
    const { clientId, logger, socketFactory, ssl, sasl } = options
    const connectionPool = new ConnectionPool({
      host,
      port,
      clientId,
      logger,
      socketFactory,
      ssl,
      sasl,
      connectionTimeout: options.connectionTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      enforceRequestTimeout: true,
    })
    this.#broker = new Broker({ connectionPool, logger, allowAutoTopicCreation: false })
  }

  /** One request. Rejects with kafkajs's connection errors, which `remedyFor` knows as `lost`. */
  async send<Answer extends object>(call: (broker: KafkaBroker) => Call<Answer>): Promise<Answer> {
    // Connected is not ready: versions are asked for, and passwords checked, over the open
    // connection.
    if (!this.#broker.isConnected() || this.#broker.versions === null) await this.#broker.connect()
    try {
      return await this.#broker.connectionPool.send(call(this.#broker))
    } catch (error) {
      if (error instanceof Error && CLOSING.has(error.name)) void this.close()
      throw error
    }
  }

  /** Never rejects: what is closed may be broken already. */
  async close(): Promise<void> {
    await this.#broker.disconnect().catch(() => undefined)
  }
}

/**
 * kafkajs keeps a connection on which answers have stopped coming until TCP gives up, a quarter of
 * an hour later.
 */
const CLOSING = new Set(['KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError'])
