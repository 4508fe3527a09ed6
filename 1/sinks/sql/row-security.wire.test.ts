import type { PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ENQUEUED_AT, insertMessage, openScene, sqlState, type Scene } from '../testing/scene.suite.ts'

const INSUFFICIENT_PRIVILEGE = '42501'
const TENANTS = {
  A: '0a0a0a0a-0000-4000-8000-000000000001',
  B: '0b0b0b0b-0000-4000-8000-000000000002',
  other: '0c0c0c0c-0000-4000-8000-000000000003',
} as const
const ACCOUNT = '0d0d0d0d-0000-4000-8000-000000000004'
const MESSAGES = {
  A: '1a1a1a1a-0000-4000-8000-000000000001',
  B: '1b1b1b1b-0000-4000-8000-000000000002',
} as const
const SECURED = [
  'orch.sms_messages',
  'orch.idempotency_keys',
  'orch.outbox',
  'orch.dead_letters',
  'dlr.segment_dlrs',
]

let scene: Scene
beforeAll(async () => {
  scene = await openScene('rls')
  for (const tenant of ['A', 'B'] as const) await insertRowsOf(tenant)
})
afterAll(() => scene.close())

/** One row of this tenant in every secured table. */
async function insertRowsOf(tenant: 'A' | 'B'): Promise<void> {
  const ids = { messageId: MESSAGES[tenant], tenantId: TENANTS[tenant], accountId: ACCOUNT }
  await insertMessage(scene, ids)
  const values = [ids.tenantId, ids.accountId, ids.messageId]
  const statements = [
    `INSERT INTO orch.idempotency_keys (hash, tenant_id, account_id, message_id, request_fingerprint, response_body,
       expires_at) VALUES ('${tenant}', $1, $2, $3, '', '{}', now())`,
    `INSERT INTO orch.dead_letters (dead_letter_id, tenant_id, account_id, message_id, enqueued_at, reason,
       failure_reason, attempt_count, payload, failed_at) VALUES ($3, $1, $2, $3, '${ENQUEUED_AT}', '', '', 0, '{}', now())`,
    `INSERT INTO dlr.segment_dlrs (tenant_id, account_id, message_id, segment_index, total_segments, status, received_at,
       enqueued_at) VALUES ($1, $2, $3, 1, 1, 'DELIVERED', now(), '${ENQUEUED_AT}')`,
  ]
  for (const statement of statements) await scene.admin.query(statement, values)
  await scene.admin.query(
    `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload) VALUES ($1, $2, '', '', '{}', '{}')`,
    [ids.messageId, ids.tenantId],
  )
}

async function asTenant<T>(tenant: string | undefined, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await scene.as('orch_svc').connect()
  try {
    await client.query('BEGIN')
    if (tenant !== undefined) await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenant])
    return await work(client)
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

const countAs = (tenant: string | undefined, table: string): Promise<unknown> =>
  asTenant(tenant, async (client) => {
    const { rows } = await client.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`)
    return rows[0]?.count
  })

describe('row-level security', () => {
  const readable = ['orch.sms_messages', 'orch.idempotency_keys', 'dlr.segment_dlrs']

  it.each(
    readable.flatMap((table) => (['A', 'B', 'other'] as const).map((tenant) => [tenant, table] as const)),
  )('DAT-4 tenant %s sees its own row of %s and no other', async (tenant, table) => {
    expect(await countAs(TENANTS[tenant], table)).toBe(tenant === 'other' ? 0 : 1)
  })

  it.each(readable)(
    'DAT-4 an unset tenant sees nothing of %s, before and after a first setting',
    async (table) => {
      const client = await scene.as('orch_svc').connect()
      try {
        const count = async () => (await client.query(`SELECT FROM ${table}`)).rowCount
        expect(await count()).toBe(0)
        await client.query(`BEGIN; SELECT set_config('app.tenant_id', '${TENANTS.A}', true); COMMIT`)
        expect(await count()).toBe(0)
      } finally {
        client.release()
      }
    },
  )

  it('DAT-4 a row of another tenant can be neither written nor deleted', async () => {
    const insert = asTenant(TENANTS.A, (client) =>
      client.query(
        `INSERT INTO orch.outbox (event_id, tenant_id, subject, msg_id, headers, payload)
         VALUES (gen_random_uuid(), $1, '', '', '{}', '{}')`,
        [TENANTS.B],
      ),
    )
    expect(await sqlState(insert)).toBe(INSUFFICIENT_PRIVILEGE)
    const deleted = await asTenant(TENANTS.A, (client) =>
      client.query(`DELETE FROM orch.idempotency_keys WHERE hash = 'B'`),
    )
    expect(deleted.rowCount).toBe(0)
  })

  it.each([
    ['orch_sink', 'SELECT message_id FROM orch.sms_messages', 2],
    ['orch_relay', 'SELECT message_id FROM orch.sms_messages', 2],
    ['dlr_svc', 'SELECT message_id FROM orch.sms_messages', 2],
    ['orch_relay', 'SELECT expires_at FROM orch.idempotency_keys', 2],
    ['orch_relay', 'SELECT id FROM orch.outbox', 2],
    ['orch_sink', 'SELECT message_id FROM orch.dead_letters', 2],
    ['admin_svc', 'SELECT message_id FROM orch.dead_letters', 2],
    ['dlr_svc', 'SELECT message_id FROM dlr.segment_dlrs', 2],
    ['migrator', 'SELECT message_id FROM orch.sms_messages', 2],
    ['migrator', 'SELECT message_id FROM orch.sms_messages_202604', 2],
  ])('%s works across tenants: %s', async (role, query, count) => {
    expect((await scene.as(role).query(query)).rowCount).toBe(count)
  })

  it.each(['orch_svc', 'orch_relay', 'orch_sink', 'dlr_svc', 'admin_svc'])(
    'DAT-5 %s is refused on every partition',
    async (role) => {
      const partitions = await scene.rows(`SELECT inhrelid::regclass::text AS name FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r'`)
      expect(partitions.length).toBeGreaterThan(20)
      for (const { name } of partitions) {
        expect(await sqlState(scene.as(role).query(`SELECT FROM ${String(name)}`))).toBe(
          INSUFFICIENT_PRIVILEGE,
        )
      }
    },
  )

  it('is enabled and forced on the five tables and on each of their partitions', async () => {
    const unprotected = await scene.rows(
      `SELECT c.oid::regclass::text AS name FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
       WHERE (c.oid::regclass::text = ANY($1) OR i.inhparent::regclass::text = ANY($1)) AND c.relkind IN ('r', 'p')
         AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
      [SECURED],
    )
    expect(unprotected).toEqual([])
  })

  it('lets each cross-tenant role do exactly the commands that it has a grant for', async () => {
    const loose = await scene.rows(
      `SELECT p.tablename, r.role, p.cmd FROM pg_policies p CROSS JOIN LATERAL unnest(p.roles) AS r(role)
       WHERE r.role NOT IN ('orch_svc', 'migrator') AND p.schemaname IN ('orch', 'dlr')
         AND (p.cmd = 'ALL' OR NOT EXISTS (
           SELECT FROM information_schema.column_privileges g
           WHERE g.grantee = r.role AND g.table_name = p.tablename AND g.privilege_type = p.cmd
         ) AND NOT has_table_privilege(r.role, format('%I.%I', p.schemaname, p.tablename), p.cmd))`,
    )
    expect(loose).toEqual([])
  })
})
