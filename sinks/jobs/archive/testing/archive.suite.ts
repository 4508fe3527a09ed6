import { randomUUID } from 'node:crypto'
import { createLogger } from '../../../../streams/platform/logger.ts'
import { Metrics } from '../../../../streams/platform/metrics.ts'
import { ensurePartitions } from '../../../postgres/partitions.ts'
import { EXAMPLE_IDS, EXAMPLE_TIME, type Scene } from '../../../testing/scene.suite.ts'
import type { Job, JobPools } from '../../schedule.ts'
import { archive, archiveMetrics, type ArchiveMeans } from '../archive.ts'
import { columnsOf } from '../columns.ts'
import { rowsIn } from '../read-back.ts'
import { s3Store } from '../s3.ts'
import { placeOf, type ObjectStore } from '../store.ts'
import { ARCHIVED } from '../tables.ts'
import type { S3Server } from './s3-server.suite.ts'

/** The first night on which April of 2026 is due, with March and, of the orphans, May. */
export const NIGHT_MS = Date.parse('2026-07-30T01:00:00.000Z')
export const MONTH = '2026-04-01'

export const poolsOf = (scene: Scene): JobPools => ({
  migrator: scene.as('migrator'),
  relay: scene.as('orch_relay'),
  dlr: scene.as('dlr_svc'),
  smpp: scene.as('smpp_svc'),
})

/** As it was before any archive: every month is there, and nothing in it. */
export async function fresh(scene: Scene): Promise<void> {
  const { rows } = await scene.admin.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '_part[0-9]+$'`,
  )
  for (const { name } of rows) await scene.admin.query(`DROP TABLE ${name}`)
  await scene.admin.query(`TRUNCATE orch.archive_runs, ${ARCHIVED.map(({ name }) => name).join(', ')}`)
  const client = await scene.admin.connect()
  try {
    await ensurePartitions({ client, now: () => EXAMPLE_TIME, monthsAhead: 3, monthsBack: 1 })
  } finally {
    client.release()
  }
}

export interface Night {
  readonly job: Job
  readonly lines: string[]
  readonly metrics: Metrics
  readonly run: (pools: JobPools, nowMs?: number) => Promise<number>
}

/** The job as a new process would have it. */
export function nightOf(store: ObjectStore, more: Partial<ArchiveMeans> = {}): Night {
  const lines: string[] = []
  const logger = createLogger({
    service: 'jobs',
    level: 'debug',
    destination: { write: (line: string) => void lines.push(line) },
  })
  const metrics = new Metrics()
  const job = archive({
    store,
    logger,
    metrics: archiveMetrics(metrics),
    now: () => NIGHT_MS,
    sleep: async () => {},
    newId: randomUUID,
    ...more,
  })
  const run = (pools: JobPools, nowMs = NIGHT_MS) =>
    job.run(pools, { nowMs, lastMs: undefined, refused: () => {} })
  return { job, lines, metrics, run }
}

/** What may not be told of a row. */
export const SECRETS = ['+447700900123', 'Your code is 4711']

/** Messages of April; every second has little, every second has everything that a row can have. */
export const insertMessages = (scene: Scene, count: number, status = 'DELIVERED') =>
  scene.admin.query(
    `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
       message_type, encoding, status, status_seq, attempt_count, operator_id, route_id, idempotency_hash, callback_url,
       last_error, metadata, dlr_status, dlr_received_at, enqueued_at, status_updated_at, expires_at, processed_at, send_at)
     SELECT gen_random_uuid(), $1, $1, '+447700900123', 'GHASI',
       CASE WHEN has_all THEN E'Your code is 4711 \\u0436\\U0001F600 "x" \\\\ \\n\\t, end' ELSE '' END,
       1 + n % 9, 'SMS', 'GSM7', $2, n, 0, CASE WHEN has_all THEN 'op' END, CASE WHEN has_all THEN '' END, CASE WHEN has_all THEN md5(n::text) END,
       CASE WHEN has_all THEN 'https://a.example/' || n END, CASE WHEN has_all THEN '{"a": [1, null, "\\u0001"]}'::jsonb END,
       CASE WHEN has_all THEN '{}'::jsonb END, CASE WHEN has_all THEN 'DELIVERED' END, CASE WHEN has_all THEN at END, at, at,
       timestamptz '9999-12-31T23:59:59.999999Z', CASE WHEN has_all THEN timestamptz '0001-01-01T00:00:00.000001Z' END, NULL
     FROM (SELECT n, n % 2 = 0 AS has_all, timestamptz '2026-04-01T00:00:00Z' + make_interval(secs => (n % 2500000)::float8 + 0.123456) AS at
       FROM generate_series(1, $3) AS n) AS made`,
    [EXAMPLE_IDS.tenantId, status, count],
  )

/** One row of everything else that is archived. */
export async function insertReceipts(scene: Scene): Promise<void> {
  const at = '2026-04-30T23:59:59.999999Z'
  const values = [EXAMPLE_IDS.messageId, at]
  for (const statement of [
    `INSERT INTO dlr.delivery_receipts (receipt_id, message_id, tenant_id, account_id, operator_id, operator_message_id,
       segment_index, total_segments, raw_stat, dlr_status, received_at, correlated_at, applied, dest_addr, enqueued_at)
     VALUES ($1, $1, $1, $1, $1, 'x', 1, 1, 'DELIVRD', 'DELIVERED', $2, $2, false, '+447700900123', $2)`,
    `INSERT INTO dlr.segment_dlrs (message_id, segment_index, total_segments, status, received_at, tenant_id, account_id, enqueued_at)
     VALUES ($1, 1, 1, 'DELIVERED', $2, $1, $1, $2)`,
    `INSERT INTO dlr.late_dlrs (late_id, received_at, payload) VALUES ($1, $2, '{"to": "+447700900123"}')`,
    `INSERT INTO dlr.quarantined_dlrs (quarantine_id, operator_id, payload, received_at, fingerprint) VALUES ($1, $1, '[]', $2, 'f')`,
    `INSERT INTO dlr.orphan_dlrs (orphan_id, operator_id, operator_message_id, raw_payload, received_at) VALUES ($1, $1, 'x', '{}', $2)`,
  ])
    await scene.admin.query(statement, values)
}

/** Every row of a relation as Postgres prints it, in the order of the texts. */
export async function printed(scene: Scene, relation: string): Promise<readonly string[]> {
  const columns = await columnsOf(scene.admin, relation)
  const texts = columns.map(({ name }) => `${name}::text`).join(', ')
  const { rows } = await scene.admin.query<{ row: unknown }>(
    `SELECT json_build_array(${texts}) AS row FROM ${relation}`,
  )
  return rows.map(({ row }) => JSON.stringify(row)).toSorted()
}

/** Every row that the archive has of a table, in the same form. */
export async function archived(scene: Scene, server: S3Server, table: string): Promise<readonly string[]> {
  const store = s3Store(server.options)
  const columns = await columnsOf(scene.admin, table)
  const runs = await scene.rows(
    `SELECT object_key FROM orch.archive_runs WHERE table_name = $1 AND state = 'DROPPED' AND rows > 0`,
    [table],
  )
  const found: string[] = []
  for (const { object_key: uri } of runs) {
    const groups = await rowsIn(store, placeOf(String(uri)), columns)
    if (groups === undefined) throw new Error('the archive names an object that is not there')
    for await (const rows of groups) found.push(...rows.map((row) => JSON.stringify(row)))
  }
  store.close()
  return found.toSorted()
}
