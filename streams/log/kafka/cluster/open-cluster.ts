import type { ConnectionOptions } from 'node:tls'
import type { SASLOptions } from 'kafkajs'
import { sleep } from '../../../platform/backoff.ts'
import type { Sleep } from '../../../platform/backoff.ts'
import { silentLogger } from '../../../platform/logger.ts'
import type { Logger } from '../../../platform/logger.ts'
import { Cluster } from './cluster.ts'
import { kafkajsLogger } from '../wire/kafkajs-logger.ts'
import { openSocket } from '../wire/socket.ts'

export interface ClusterOptions {
  /** `host:port` of some brokers; the rest are found through them. */
  readonly brokers: readonly string[]
  /** At most 200 bytes; brokers show it in their logs and quotas. */
  readonly clientId: string
  readonly ssl?: ConnectionOptions
  readonly sasl?: SASLOptions
  readonly logger?: Logger
  readonly now?: () => number
  readonly sleep?: Sleep
  readonly random?: () => number
}

const CONNECTION_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 10_000

/** Connects when it is first asked for something. */
export function openCluster(options: ClusterOptions): Cluster {
  const { brokers, clientId, ssl, sasl, logger = silentLogger } = options
  if (brokers.length === 0) throw new TypeError('at least one broker must be named')
  const links = {
    seeds: brokers,
    clientId,
    logger: kafkajsLogger(logger),
    socketFactory: openSocket,
    ssl,
    sasl,
    connectionTimeoutMs: CONNECTION_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  }
  const { now = Date.now, random = Math.random } = options
  return new Cluster(links, { now, random, sleep: options.sleep ?? sleep })
}
