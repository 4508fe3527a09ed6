import type { Pool } from 'pg'
import type { Instruments } from '../instruments.ts'

/**
 * An outbox row by what its writer knows of it: the writer may insert rows but not read their
 * generated id.
 */
export interface DeliveredRow {
  readonly eventId: string
  /** ISO 8601; the column that the index is on. */
  readonly createdAt: string
}

/**
 * Deletes the outbox rows whose events NATS has acknowledged, later and in batches [SM25]: one
 * statement for what came together, never one per message. It may forget rows, when Postgres is
 * away or when more than the bound are waiting. The relay then publishes them once more under the
 * same Nats-Msg-Id and deletes them itself.
 */
export interface DeliveredRows {
  add(row: DeliveredRow): void
  /** Deletes what is left. */
  close(): Promise<void>
}

const BATCH_MAX = 500
const WAIT_MS = 50
/** Some ten seconds of the busiest process; the relay takes over what is dropped. */
const PENDING_MAX = 20_000

export function deleteDelivered(pool: Pool, instruments: Instruments): DeliveredRows {
  let pending: DeliveredRow[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()

  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    running = running.then(async () => {
      for (let batch = pending.splice(0, BATCH_MAX); batch.length > 0; batch = pending.splice(0, BATCH_MAX))
        await deleteBatch(pool, instruments, batch)
    })
    return running
  }

  return {
    add(row) {
      if (pending.length >= PENDING_MAX) pending = []
      pending.push(row)
      timer ??= setTimeout(() => void flush(), WAIT_MS)
    },
    close: flush,
  }
}

const DELETE_DELIVERED = {
  text: `DELETE FROM orch.outbox WHERE created_at = ANY($1::timestamptz[]) AND event_id = ANY($2::uuid[])`,
}

async function deleteBatch(
  pool: Pool,
  instruments: Instruments,
  batch: readonly DeliveredRow[],
): Promise<void> {
  const createdAts = [...new Set(batch.map((row) => row.createdAt))]
  const eventIds = batch.map((row) => row.eventId)
  try {
    await pool.query({ ...DELETE_DELIVERED, values: [createdAts, eventIds] })
  } catch {
    // Forgotten on purpose: the relay publishes these rows again under the same ids and deletes
    // them.
    instruments.postgresErrors.inc({ op: 'outbox_delete' })
  }
}
