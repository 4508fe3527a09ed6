import type { Redis } from 'ioredis'
import { connectNats } from '../streams/nats/link.ts'
import type { Logger } from '../streams/platform/logger.ts'
import type { Metrics } from '../streams/platform/metrics.ts'
import type { Closers } from '../streams/platform/process.ts'
import type { ApiConfig } from './config.ts'
import { eventPublisher, type EventPublisher } from './outbox/event-publisher.ts'
import { createInstruments, type Instruments } from './instruments.ts'
import type { FairShareOptions } from './reading/fair-share.ts'
import { deleteDelivered, type DeliveredRows } from './outbox/deletion.ts'
import { startRelay } from './outbox/relay.ts'
import { connectDatabase, openPool, type Database, type PoolLimits } from './postgres.ts'
import { connectRedis } from './submit/reply-cache.ts'

/** What the process is given instead of taking it: output, time, ids, chance. */
export interface Surroundings {
  readonly logger: Logger
  readonly metrics: Metrics
  readonly now: () => number
  /** Never set back: what durations are measured by. */
  readonly monotonicMs: () => number
  /** A new UUIDv4. */
  readonly newId: () => string
  readonly random: () => number
  /** Put before every NATS subject, so that tests can share a server. */
  readonly subjectPrefix?: string
}

export interface Backends {
  readonly instruments: Instruments
  readonly database: Database
  /** Of reads alone: lists that take long must not keep another tenant's submits waiting [ER19]. */
  readonly reads: Database
  readonly readShare: FairShareOptions
  /**
   * Of the readiness alone: a flood that holds every other connection must not turn it red [H32].
   */
  readonly probe: Database
  /** Of administrators, where they are served. */
  readonly adminDatabase: Database | undefined
  readonly redis: Redis
  readonly publisher: EventPublisher
  readonly delivered: DeliveredRows
}

/** Twenty connections per process [DB59]: for submits, reads, readiness and outbox. */
const SERVICE_POOL = { connectionsMax: 12, connectMsMax: 2_000, statementMsMax: 2_500 }
const READ_POOL = { ...SERVICE_POOL, connectionsMax: 5 }
/** Of the connections of reads, for one tenant [ER19]. */
const READ_SHARE: FairShareOptions = { placesMax: 3, waitMsMax: READ_POOL.connectMsMax }
const PROBE_POOL = { connectionsMax: 1, connectMsMax: 1_000, statementMsMax: 1_000 }
/** Taken from those of submits, where there is one: an administrator may wait, never a client. */
const ADMIN_POOL = { connectionsMax: 2, connectMsMax: 5_000, statementMsMax: 10_000 }
const RELAY_POOL = { connectionsMax: 2, connectMsMax: 2_000, statementMsMax: 10_000 }

/**
 * Opens everything behind the API and starts the relay. None of it has to be up: each connects when
 * it can.
 */
export function openBackends(config: ApiConfig, around: Surroundings, closers: Closers): Backends {
  const { logger, now, monotonicMs, random, subjectPrefix = '' } = around
  const instruments = createInstruments(around.metrics)
  const pool = openPool(config.DATABASE_URL, servicePool(config), logger)
  closers.add('postgres', pool, (open) => open.end())
  const reads = openPool(config.DATABASE_URL, READ_POOL, logger)
  closers.add('read pool', reads, (open) => open.end())
  const probe = openPool(config.DATABASE_URL, PROBE_POOL, logger)
  closers.add('probe pool', probe, (open) => open.end())
  const outbox = openPool(config.RELAY_DATABASE_URL, RELAY_POOL, logger)
  closers.add('outbox pool', outbox, (open) => open.end())
  const adminDatabase = openAdmin(config, { instruments, logger }, closers)
  const redis = connectRedis(config.REDIS_URL, logger, random)
  closers.add('redis', redis, (open) => open.disconnect())
  const { NATS_URL: url, NATS_CREDS: credsFile, NATS_CA_FILE: caFile } = config
  const link = connectNats({ url, credsFile, caFile, user: 'sms-api', logger })
  closers.add('nats', link, (open) => open.close())
  const publisher = eventPublisher({ link, subjectPrefix, instruments, monotonic: monotonicMs })
  const outboxDatabase = connectDatabase(outbox, RELAY_POOL, instruments)
  const delivered = closers.add('outbox deletion', deleteDelivered(outboxDatabase), (open) => open.close())
  const relay = startRelay({ pool: outbox, publisher, instruments, logger, now })
  closers.add('relay', relay, (open) => open.close())
  return {
    instruments,
    database: connectDatabase(pool, SERVICE_POOL, instruments),
    readShare: READ_SHARE,
    reads: connectDatabase(reads, READ_POOL, instruments),
    adminDatabase,
    probe: connectDatabase(probe, PROBE_POOL, instruments),
    redis,
    publisher,
    delivered,
  }
}

const servicePool = ({ ADMIN_DATABASE_URL: admin }: ApiConfig): PoolLimits => ({
  ...SERVICE_POOL,
  connectionsMax: SERVICE_POOL.connectionsMax - (admin === undefined ? 0 : ADMIN_POOL.connectionsMax),
})

function openAdmin(
  { ADMIN_DATABASE_URL: url }: ApiConfig,
  { instruments, logger }: { readonly instruments: Instruments; readonly logger: Logger },
  closers: Closers,
): Database | undefined {
  if (url === undefined) return undefined
  const pool = closers.add('admin pool', openPool(url, ADMIN_POOL, logger), (open) => open.end())
  return connectDatabase(pool, ADMIN_POOL, instruments)
}
