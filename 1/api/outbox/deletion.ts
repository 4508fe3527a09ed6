import type { Database } from '../postgres.ts'

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

export function deleteDelivered(database: Database): DeliveredRows {
  let pending: DeliveredRow[] = []
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()

  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    running = running.then(async () => {
      for (let batch = pending.splice(0, BATCH_MAX); batch.length > 0; batch = pending.splice(0, BATCH_MAX))
        await deleteBatch(database, batch)
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

/** A crash of the server brings back rows whose events NATS knows: one more publish each. */
const WITHOUT_SYNC = { text: `SELECT set_config('synchronous_commit', 'off', true)` }
const DELETE_DELIVERED = `DELETE FROM orch.outbox
  WHERE created_at = ANY($1::timestamptz[]) AND event_id = ANY($2::uuid[])`

async function deleteBatch(database: Database, batch: readonly DeliveredRow[]): Promise<void> {
  const createdAts = [...new Set(batch.map((row) => row.createdAt))]
  const eventIds = batch.map((row) => row.eventId)
  try {
    const deletion = { text: DELETE_DELIVERED, values: [createdAts, eventIds] }
    await database.transaction('outbox_delete', [WITHOUT_SYNC, deletion])
  } catch {
    // Counted, and forgotten on purpose: the relay publishes these rows again under the same ids
    // and deletes them.
  }
}
