import { silentLogger } from '../platform/logger.ts'
import type { Logger } from '../platform/logger.ts'
import { KafkaAdmin } from './kafka/admin.ts'
import { KafkaConsumer } from './kafka/consumer.ts'
import { openCluster } from './kafka/cluster/open-cluster.ts'
import type { ClusterOptions } from './kafka/cluster/open-cluster.ts'
import { KafkaReader } from './kafka/reader.ts'
import { KafkaTransactions } from './kafka/transactions.ts'
import { KafkaWriter } from './kafka/writer.ts'
import type { LogClient } from './port.ts'

export { kafkaOptions } from './kafka/security.ts'

export interface KafkaLogOptions extends ClusterOptions {
  /**
   * After which a consumer that is not heard of loses its partitions. Default: 6 s, so that a crash
   * is noticed soon.
   */
  readonly sessionTimeoutMs?: number
  readonly logger?: Logger
}

/**
 * The least that brokers allow by default (`group.min.session.timeout.ms`), and a dozen heartbeats
 * (ADR 0027).
 */
const SESSION_TIMEOUT_MS = 6_000

/**
 * Connections that the transactional ids of a process share. A broker answers a connection's
 * requests one after the other, so with a single one the commits of all tasks would queue. With one
 * each, brokers would carry a connection a task.
 */
const TRANSACTION_LANES = 4

/**
 * The log on a broker that speaks Kafka's protocol: Kafka from 2.5 to 4, Redpanda. Connects when it
 * is first used.
 *
 * Of kafkajs only request codecs are used (ARCHITECTURE.md, section 3): what the rest does wrong
 * lies in its core, and the port is small enough to stand on sockets directly.
 */
export function connectKafka(options: KafkaLogOptions): LogClient {
  const { logger = silentLogger, sessionTimeoutMs = SESSION_TIMEOUT_MS } = options
  const cluster = openCluster(options)
  let made = 0
  const name = (what: string): string => `${what}-${(made += 1)}`
  return {
    admin: new KafkaAdmin(cluster, 'admin'),
    consumer: (wanted) =>
      new KafkaConsumer({ ...wanted, cluster, name: name('consumer'), sessionTimeoutMs, logger }),
    reader: () => new KafkaReader(cluster, name('reader')),
    transactions: ({ transactionalId, timeoutMs }) => {
      const lane = `transactions-${(made += 1) % TRANSACTION_LANES}`
      return new KafkaTransactions({ cluster, lane, transactionalId, timeoutMs })
    },
    writer: () => new KafkaWriter(cluster, 'writer'),
    close: () => cluster.close(),
  }
}
