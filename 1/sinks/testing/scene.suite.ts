import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import { createDatabase, type TemporaryDatabase } from '../../dev/database.ts'
import { recordExample } from '../../streams/contracts/examples.ts'
import type { RecordOf } from '../postgres/dlr/record-kinds.ts'
import type { SinkHooks } from '../sink.ts'

/**
 * What the wire tests of the sinks share: a database of their own, and the message of the contract
 * examples as a row.
 */

/** The month of the contract examples; partitions are made around it. */
export const EXAMPLE_TIME = Date.parse('2026-04-18T10:30:00.000Z')
export const EXAMPLE_IDS = {
  messageId: '3f6c1f0e-8a53-4c1d-9a5e-0d7a52c4b1e7',
  tenantId: '7d0a3d3e-2b1c-4f7e-8b7d-6a1f0c9e5b21',
  accountId: 'b1f7c2aa-93f4-4f0b-a0ce-2f1a9d5e7c33',
}
export const ENQUEUED_AT = '2026-04-18T10:23:40.000Z'

/** The contract example of `dlr.records`. */
export const receiptExample: RecordOf<'RECEIPT'> = asReceipt(recordExample)

function asReceipt(record: typeof recordExample): RecordOf<'RECEIPT'> {
  if (record.kind !== 'RECEIPT') throw new Error('the example is no longer a receipt')
  return record
}

export function addressFromEnv(name: 'DATABASE_URL' | 'REDIS_URL'): string {
  const address = process.env[name]
  if (address === undefined || address === '') throw new Error(`this test needs ${name}: run it by npm test`)
  return address
}

export interface Scene {
  readonly database: TemporaryDatabase
  /** As the superuser, who sees everything. */
  readonly admin: Pool
  readonly as: (role: string) => Pool
  readonly rows: (sql: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>
  close(): Promise<void>
}

export async function openScene(purpose: string): Promise<Scene> {
  const name = `sinks_${purpose}_${randomUUID().slice(0, 8)}`
  const database = await createDatabase(addressFromEnv('DATABASE_URL'), name, () => EXAMPLE_TIME)
  const pools = new Map<string, Pool>()
  const open = (role: string, url: string): Pool => {
    const known = pools.get(role)
    if (known !== undefined) return known
    const pool = new Pool({ connectionString: url, max: 4 })
    // Dropping the database ends connections that are still closing.
    pool.on('error', () => {})
    pools.set(role, pool)
    return pool
  }
  const admin = open('', database.url)
  return {
    database,
    admin,
    as: (role) => open(role, database.urlAs(role)),
    rows: async (sql, values = []) => (await admin.query<Record<string, unknown>>(sql, [...values])).rows,
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.end()))
      await database.drop()
    },
  }
}

export interface MessageIds {
  readonly messageId: string
  readonly tenantId: string
  readonly accountId: string
}

/** A row as the api inserts it: QUEUED, seq 1. */
export async function insertMessage(scene: Scene, ids: MessageIds = EXAMPLE_IDS): Promise<void> {
  await scene.admin.query(
    `INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
       message_type, encoding, status, enqueued_at, status_updated_at, expires_at)
     VALUES ($1, $2, $3, '+447700900123', 'GHASI', 'Your code is 4711', 1, 'SMS', 'GSM7', 'QUEUED', $4, $4, $5)`,
    [ids.messageId, ids.tenantId, ids.accountId, ENQUEUED_AT, '2026-04-20T10:23:40.000Z'],
  )
}

export const silentHooks: SinkHooks = { written: () => {}, unreadable: () => {} }

/** The SQLSTATE that a rejected query carries; `undefined` when it went through. */
export async function sqlState(query: Promise<unknown>): Promise<string | undefined> {
  try {
    await query
    return undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
    throw error
  }
}
