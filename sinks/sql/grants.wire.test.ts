import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openScene, sqlState, type Scene } from '../testing/scene.suite.ts'

const INSUFFICIENT_PRIVILEGE = '42501'
const SERVICE_ROLES = [
  'orch_svc',
  'orch_relay',
  'orch_sink',
  'dlr_svc',
  'smpp_svc',
  'admin_svc',
  'dlr_recon',
] as const

/**
 * [DB50] to [DB56], compared as [DB60] asks. A word with brackets is a grant on those columns only.
 */
const EXPECTED: Readonly<Record<(typeof SERVICE_ROLES)[number], readonly string[]>> = {
  orch_svc: [
    'orch.sms_messages: INSERT, SELECT',
    'orch.idempotency_keys: DELETE, INSERT, SELECT',
    'orch.outbox: INSERT',
    'dlr.segment_dlrs: SELECT',
  ],
  orch_relay: [
    'orch.outbox: DELETE, INSERT, SELECT, UPDATE(attempts, dead_at, dead_reason, next_try_at)',
    'orch.idempotency_keys: DELETE, SELECT(expires_at)',
    'orch.sms_messages: SELECT',
  ],
  orch_sink: [
    'orch.sms_messages: SELECT, UPDATE(attempt_count, last_error, operator_id, processed_at, route_id, status, status_seq, status_updated_at, updated_at)',
    'orch.dead_letters: INSERT, SELECT',
  ],
  dlr_svc: [
    'dlr.audit_log: INSERT, SELECT',
    'dlr.delivery_receipts: INSERT, SELECT',
    'dlr.late_dlrs: INSERT, SELECT',
    'dlr.orphan_dlrs: INSERT, SELECT',
    'dlr.orphaned_receipts: INSERT, SELECT',
    'dlr.quarantine_daily: INSERT, SELECT, UPDATE(flagged, quarantined, receipts, share)',
    'dlr.quarantine_releases: INSERT, SELECT',
    'dlr.quarantined_dlrs: INSERT, SELECT',
    'dlr.segment_dlrs: INSERT, SELECT',
    'orch.sms_messages: SELECT(dlr_status, enqueued_at, message_id, status), UPDATE(dlr_received_at, dlr_status, processed_at, status)',
  ],
  smpp_svc: [
    'smpp.message_correlations: INSERT, SELECT, UPDATE(destination, dlr_received_at, expires_at, message_id, segment_index, status, submitted_at, total_segments)',
  ],
  admin_svc: [
    'dlr.orphan_dlrs: SELECT',
    'dlr.quarantine_releases: SELECT',
    'dlr.quarantined_dlrs: SELECT',
    'orch.admin_actions: INSERT, SELECT',
    'orch.dead_letters: SELECT, UPDATE(replayed_at, replayed_by)',
    'orch.outbox: INSERT, SELECT(attempts, created_at, dead_at, dead_reason, id, msg_id, next_try_at, subject, tenant_id), UPDATE(attempts, dead_at, dead_reason, next_try_at)',
    'orch.sms_messages: SELECT(account_id, dlr_status, enqueued_at, message_id, operator_id, segment_count, status, status_seq, tenant_id)',
    'smpp.message_correlations: SELECT(message_id, operator_id, total_segments)',
  ],
  dlr_recon: [
    // The view runs with its reader's rights (security_invoker), which PostgreSQL then asks for on
    // the table as well.
    'dlr.orphan_dlrs: SELECT(operator_id, operator_message_id, orphan_id, raw_payload, raw_stat, received_at, resolved_at, resolved_receipt_id)',
    'dlr.orphaned_receipts: SELECT',
  ],
}

let scene: Scene
beforeAll(async () => {
  scene = await openScene('grants')
})
afterAll(() => scene.close())

/**
 * What information_schema says that a grantee may do, one line a relation; column grants without
 * those that follow from it.
 */
async function grantsOf(grantee: string): Promise<readonly string[]> {
  const rows = await scene.rows(
    `WITH tables AS (
       SELECT table_schema, table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = $1
     ), columns AS (
       SELECT table_schema, table_name, privilege_type, string_agg(column_name::text, ', ' ORDER BY column_name) AS names
       FROM information_schema.column_privileges c WHERE grantee = $1
         AND (table_schema, table_name, privilege_type) NOT IN (SELECT * FROM tables)
       GROUP BY 1, 2, 3
     ), words AS (
       SELECT table_schema, table_name, privilege_type::text AS word FROM tables
       UNION ALL SELECT table_schema, table_name, format('%s(%s)', privilege_type, names) FROM columns
     )
     SELECT format('%s.%s: %s', table_schema, table_name, string_agg(word, ', ' ORDER BY word)) AS line
     FROM words WHERE table_schema NOT IN ('pg_catalog', 'information_schema') GROUP BY table_schema, table_name`,
    [grantee],
  )
  return rows.map(({ line }) => String(line)).toSorted()
}

describe('grants', () => {
  it.each(SERVICE_ROLES)('DLR-014.4 %s has what [DB50] to [DB56] list, on parents only', async (role) => {
    expect(await grantsOf(role)).toEqual(EXPECTED[role].toSorted())
  })

  it('DAT-14 PUBLIC and roles that are not named have nothing', async () => {
    expect(await grantsOf('PUBLIC')).toEqual([])
    const grantees = await scene.rows(
      `SELECT DISTINCT grantee FROM information_schema.column_privileges
       WHERE table_schema IN ('orch', 'dlr', 'smpp') ORDER BY 1`,
    )
    expect(grantees.map(({ grantee }) => grantee)).toEqual([...SERVICE_ROLES, 'migrator'].toSorted())
  })

  it('migrator owns every relation of the three schemas, and no service logs in as an owner', async () => {
    const owners = await scene.rows(
      `SELECT DISTINCT pg_get_userbyid(c.relowner) AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname IN ('orch', 'dlr', 'smpp') AND c.relkind IN ('r', 'p', 'v', 'S')`,
    )
    expect(owners).toEqual([{ owner: 'migrator' }])
  })

  it.each(SERVICE_ROLES)(
    'DLR-014.3 %s has no right on a schema or database beyond using it',
    async (role) => {
      const rights = await scene.rows(
        `SELECT has_schema_privilege($1, 'orch', 'CREATE') OR has_schema_privilege($1, 'dlr', 'CREATE')
         OR has_schema_privilege($1, 'smpp', 'CREATE') OR has_schema_privilege($1, 'public', 'USAGE')
         OR has_database_privilege($1, current_database(), 'CREATE, TEMPORARY') AS creates,
         rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS mighty,
         EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) AS member
       FROM pg_roles WHERE rolname = $1`,
        [role],
      )
      expect(rights).toEqual([{ creates: false, mighty: false, member: false }])
    },
  )

  it.each([
    'DROP TABLE dlr.late_dlrs',
    'TRUNCATE dlr.delivery_receipts',
    'ALTER TABLE dlr.orphan_dlrs ADD COLUMN more text',
    'CREATE TABLE dlr.more (id int)',
    'CREATE SCHEMA more',
    'DELETE FROM dlr.delivery_receipts',
    `UPDATE dlr.delivery_receipts SET raw_stat = ''`,
    'ALTER TABLE dlr.segment_dlrs DISABLE ROW LEVEL SECURITY',
  ])('DLR-014.1 DLR-014.3 dlr_svc is refused: %s', async (statement) => {
    expect(await sqlState(scene.as('dlr_svc').query(statement))).toBe(INSUFFICIENT_PRIVILEGE)
  })

  it.each(['status_seq = 9', 'attempt_count = 9', `body = ''`, 'updated_at = now()', `operator_id = ''`])(
    'DLR-014.2 dlr_svc may not set %s of a message',
    async (assignment) => {
      const update = scene.as('dlr_svc').query(`UPDATE orch.sms_messages SET ${assignment}`)
      expect(await sqlState(update)).toBe(INSUFFICIENT_PRIVILEGE)
    },
  )

  it('DLR-014.2 dlr_svc may set the four columns', async () => {
    const update = scene.as('dlr_svc').query(
      `UPDATE orch.sms_messages SET status = 'DELIVERED', dlr_status = 'DELIVERED', dlr_received_at = now(),
         processed_at = now() WHERE message_id = gen_random_uuid() AND enqueued_at = now() AND dlr_status IS NULL`,
    )
    expect(await sqlState(update)).toBeUndefined()
  })

  it('the reconciliation job reads the view, and of the table nothing that the view does not show', async () => {
    const recon = scene.as('dlr_recon')
    expect(await sqlState(recon.query('SELECT * FROM dlr.orphaned_receipts'))).toBeUndefined()
    expect(await sqlState(recon.query('SELECT dlr_status FROM dlr.orphan_dlrs'))).toBe(INSUFFICIENT_PRIVILEGE)
  })
})
