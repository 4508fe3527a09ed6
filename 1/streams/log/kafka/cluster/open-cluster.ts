import type { ConnectionOptions } from 'node:tls'
import { randomBytes } from 'node:crypto'
import { sleep } from '../../../platform/backoff.ts'
import type { Sleep } from '../../../platform/backoff.ts'
import { Cluster } from './cluster.ts'
import type { Compression } from '../codecs/packing/compress.ts'
import type { SaslOptions } from '../wire/sasl.ts'

export interface ClusterOptions {
  /** `host:port` of some brokers; the rest are found through them. */
  readonly brokers: readonly string[]
  /** At most 242 bytes; brokers show it in their logs and quotas. */
  readonly clientId: string
  /** Absent to speak in the clear. */
  readonly tls?: ConnectionOptions | undefined
  readonly sasl?: SaslOptions | undefined
  /** How batches are packed. Default: not at all. */
  readonly compression?: Compression
  readonly now?: () => number
  readonly sleep?: Sleep
  readonly random?: () => number
  readonly nonce?: () => string
}

/** A broker that is away must not stall for long those who can ask another one. */
const CONNECT_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 10_000

/** Connects when it is first asked for something. */
export function openCluster(options: ClusterOptions): Cluster {
  const { brokers, clientId, tls, sasl, nonce = randomNonce } = options
  if (brokers.length === 0) throw new TypeError('at least one broker must be named')
  const connections = {
    seeds: brokers,
    clientId,
    tls,
    sasl,
    nonce,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  }
  const { now = Date.now, random = Math.random, compression } = options
  return new Cluster(connections, { now, random, sleep: options.sleep ?? sleep }, compression)
}

const randomNonce = (): string => randomBytes(24).toString('base64url')
