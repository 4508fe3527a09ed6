import type { Pool, PoolClient } from 'pg'
import { z } from 'zod'
import { sleep } from '../../streams/platform/backoff.ts'
import type { Logger } from '../../streams/platform/logger.ts'
import type { EventPublisher } from './event-publisher.ts'
import { fateOf, WAIT_MS_MAX, waitMs, type Left } from './fate.ts'
import type { Instruments } from '../instruments.ts'
import { codeOf } from '../postgres.ts'

/** [SM24] */
const EVERY_MS = 1_000
const BATCH_MAX = 500
const STATEMENT_MS_MAX = 10_000
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
   * Tries at most one batch; the number of rows that it took. Called by the loop, and by tests.
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
    const taken = await attempt(options, runOnce)
    // A full batch means that more is due. Its rows are not: each has been given a later time.
    if (taken < BATCH_MAX) await sleep(EVERY_MS, stopping)
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

const Gauges = z.object({ pending: z.coerce.number(), dead: z.coerce.number(), oldest: z.date().nullable() })

const counted = (where: string): string =>
  `(SELECT count(*) FROM (SELECT 1 FROM orch.outbox WHERE ${where} LIMIT ${COUNTED_MAX}) AS counted)`

async function observe({ pool, instruments, now }: RelayOptions): Promise<void> {
  const { rows } = await pool.query(
    `SELECT ${counted('dead_at IS NULL')} AS pending, ${counted('dead_at IS NOT NULL')} AS dead,
       (SELECT min(created_at) FROM orch.outbox WHERE dead_at IS NULL) AS oldest`,
  )
  const { pending, dead, oldest } = Gauges.parse(rows[0])
  instruments.outboxPending.set(pending)
  instruments.outboxDead.set(dead)
  instruments.outboxOldestSeconds.set(oldest === null ? 0 : Math.max(0, now() - oldest.getTime()) / 1000)
}

async function relayBatch(options: RelayOptions): Promise<number> {
  const client = await options.pool.connect()
  let failure: unknown
  try {
    await client.query(`BEGIN; SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}`)
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

async function relayLocked(client: PoolClient, options: RelayOptions): Promise<number> {
  await client.query(BRING_BACK, [new Date(options.now()), new Date(options.now() + SET_MS_MAX)])
  const { rows } = await client.query(
    `SELECT id, subject, msg_id, headers, payload, attempts FROM orch.outbox
     WHERE dead_at IS NULL AND next_try_at <= $1 ORDER BY next_try_at LIMIT ${BATCH_MAX} FOR UPDATE SKIP LOCKED`,
    [new Date(options.now())],
  )
  const fates = await Promise.all(rows.map((row: unknown) => fateOf(options, row)))
  const done = fates.flatMap((fate) => (fate.kind === 'done' ? [fate.id] : []))
  const left = fates.flatMap((fate) => (fate.kind === 'left' ? [leftRow(options, fate)] : []))
  await client.query(`DELETE FROM orch.outbox WHERE id = ANY($1::bigint[])`, [done])
  await client.query(UPDATE_LEFT, [JSON.stringify(left)])
  return fates.length
}

/** Beyond this no try is ever set: the clock was ahead when it was, and has been put right. */
const SET_MS_MAX = 2 * WAIT_MS_MAX

const BRING_BACK = `
  UPDATE orch.outbox SET next_try_at = $1 WHERE id = ANY(ARRAY(
    SELECT id FROM orch.outbox WHERE dead_at IS NULL AND next_try_at > $2 LIMIT ${BATCH_MAX} FOR UPDATE SKIP LOCKED
  ))`

const UPDATE_LEFT = `
  UPDATE orch.outbox SET attempts = outbox.attempts + 1, next_try_at = left_row.next_try_at,
    dead_at = left_row.dead_at, dead_reason = left_row.dead_reason
  FROM jsonb_to_recordset($1::jsonb)
    AS left_row(id bigint, next_try_at timestamptz, dead_at timestamptz, dead_reason text)
  WHERE outbox.id = left_row.id`

function leftRow({ now, instruments, logger }: RelayOptions, { id, attempts, refusal }: Left) {
  const nowMs = now()
  const isDead = refusal !== undefined && attempts + 1 >= refusal.triesMax
  if (isDead) {
    instruments.outboxDeadLetters.inc()
    logger.error('api.outbox_dead_letter', { reason: refusal.reason })
  }
  return {
    id,
    next_try_at: new Date(nowMs + waitMs(attempts)).toISOString(),
    dead_at: isDead ? new Date(nowMs).toISOString() : null,
    dead_reason: isDead ? refusal.reason : null,
  }
}
