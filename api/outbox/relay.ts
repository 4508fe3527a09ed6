import type { Pool, PoolClient } from 'pg'
import { z } from 'zod'
import { sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { EventPublisher } from './event-publisher.ts'
import type { Instruments } from '../instruments.ts'
import { codeOf } from '../postgres.ts'

/** [SM24] */
const EVERY_MS = 1_000
const AGE_MS_MIN = 2_000
const BATCH_MAX = 500
/** The relay has time: a slow NATS still gets everything. */
const ACK_MS_MAX = 5_000
/**
 * A gauge needs no exact figure, and counting a million rows every second would slow down their
 * delivery.
 */
const COUNTED_MAX = 100_000

export interface RelayOptions {
  /** Of role orch_relay, which sees the rows of every tenant. */
  readonly pool: Pool
  readonly publisher: EventPublisher
  readonly instruments: Instruments
  readonly logger: Logger
  readonly now: () => number
}

export interface Relay {
  /**
   * Publishes at most one batch; the number of rows that are done with. Called by the loop, and by
   * tests.
   */
  runOnce(): Promise<number>
  /** Ends the loop after the batch under way. */
  close(): Promise<void>
}

/**
 * Publishes the outbox rows whose first publish was not acknowledged: NATS was away, or the process
 * died between commit and publish. Several relays work side by side: each locks its rows and skips
 * those of the others. A crash between ack and delete repeats a publish under the same Nats-Msg-Id.
 */
export function startRelay(options: RelayOptions): Relay {
  const stopping = new AbortController()
  const runOnce = () => relayBatch(options)
  const ended = loop(options, runOnce, stopping.signal)
  return {
    runOnce,
    close() {
      stopping.abort()
      return ended
    },
  }
}

async function loop(
  options: RelayOptions,
  runOnce: () => Promise<number>,
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    const done = await attempt(options, runOnce)
    // A full batch means that more is waiting.
    if (done < BATCH_MAX) await sleep(EVERY_MS, stopping)
  }
}

async function attempt(options: RelayOptions, runOnce: () => Promise<number>): Promise<number> {
  try {
    await observe(options)
    return options.publisher.connected ? await runOnce() : 0
  } catch (error) {
    options.instruments.postgresErrors.inc({ op: 'relay' })
    options.logger.warn('api.relay_failed', { code: codeOf(error) })
    return 0
  }
}

const Gauges = z.object({ pending: z.coerce.number(), oldest: z.date().nullable() })

async function observe({ pool, instruments, now }: RelayOptions): Promise<void> {
  const { rows } = await pool.query(
    `SELECT (SELECT count(*) FROM (SELECT 1 FROM orch.outbox LIMIT ${COUNTED_MAX}) AS counted) AS pending,
            (SELECT min(created_at) FROM orch.outbox) AS oldest`,
  )
  const { pending, oldest } = Gauges.parse(rows[0])
  instruments.outboxPending.set(pending)
  instruments.outboxOldestSeconds.set(oldest === null ? 0 : Math.max(0, now() - oldest.getTime()) / 1000)
}

const OutboxRow = z.object({
  id: z.string(),
  subject: z.string(),
  msg_id: z.string(),
  headers: z.record(z.string(), z.string()),
  payload: z.unknown(),
})
type OutboxRow = z.infer<typeof OutboxRow>

async function relayBatch(options: RelayOptions): Promise<number> {
  const client = await options.pool.connect()
  let failure: unknown
  try {
    await client.query('BEGIN')
    const done = await relayLocked(client, options)
    await client.query('COMMIT')
    return done
  } catch (error) {
    failure = error
    throw error
  } finally {
    // Closing the connection rolls back; a batch without an outcome is simply taken again.
    client.release(failure !== undefined)
  }
}

async function relayLocked(client: PoolClient, { publisher, now }: RelayOptions): Promise<number> {
  const { rows } = await client.query(
    `SELECT id, subject, msg_id, headers, payload FROM orch.outbox
     WHERE created_at < $1 ORDER BY created_at LIMIT ${BATCH_MAX} FOR UPDATE SKIP LOCKED`,
    [new Date(now() - AGE_MS_MIN)],
  )
  const batch = z.array(OutboxRow).parse(rows)
  const done: string[] = []
  const left: string[] = []
  const relay = async (row: OutboxRow): Promise<void> => {
    const isAcknowledged = await publish(publisher, row)
    if (isAcknowledged) done.push(row.id)
    else left.push(row.id)
  }
  await Promise.all(batch.map(relay))
  await client.query(`DELETE FROM orch.outbox WHERE id = ANY($1::bigint[])`, [done])
  await client.query(`UPDATE orch.outbox SET attempts = attempts + 1 WHERE id = ANY($1::bigint[])`, [left])
  return done.length
}

const publish = (publisher: EventPublisher, row: OutboxRow): Promise<boolean> =>
  publisher.publish(
    {
      subject: row.subject,
      msgId: row.msg_id,
      headers: row.headers,
      payload: JSON.stringify(row.payload),
    },
    ACK_MS_MAX,
  )
