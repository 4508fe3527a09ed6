import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase } from '../../dev/database.ts'
import { ensurePartitions } from '../postgres/partitions.ts'
import { MESSAGE_STATUSES } from '../../streams/domain/statuses.ts'
import { addressFromEnv, EXAMPLE_TIME, openScene, type Scene } from '../testing/scene.suite.ts'
import { migrate, MigrationChanged } from './migrate.ts'

const now = () => EXAMPLE_TIME

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

describe('migrations', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await openScene('migrate')
  })
  afterAll(() => scene.close())

  it('apply each file once, so that a second run finds nothing to do', async () => {
    const applied = await scene.rows('SELECT name FROM public.schema_migrations ORDER BY name')
    expect(applied.map(({ name }) => name)).toEqual(
      (await readdir(new URL('.', import.meta.url))).filter((name) => name.endsWith('.sql')).toSorted(),
    )
    expect(await withClient(scene.database.url, (client) => migrate({ client, now }))).toEqual([])
  })

  it('go on as migrator once the roles are there', async () => {
    const folder = await copyOfMigrations()
    await writeFile(join(folder, '0900_more.sql'), 'CREATE TABLE orch.more (id int)')
    const url = scene.database.urlAs('migrator')
    const run = () => withClient(url, (client) => migrate({ client, now, folder: urlOf(folder) }))
    expect(await run()).toEqual(['0900_more.sql'])
    expect(await run()).toEqual([])
    await scene.admin.query(
      `DROP TABLE orch.more; DELETE FROM public.schema_migrations WHERE name LIKE '0900%'`,
    )
    await rm(folder, { recursive: true })
  })

  it('refuse an applied file that has changed since', async () => {
    const folder = await copyOfMigrations()
    await writeFile(join(folder, '0004_smpp.sql'), '-- another text')
    const changed = withClient(scene.database.url, (client) =>
      migrate({ client, now, folder: urlOf(folder) }),
    )
    await expect(changed).rejects.toThrow(MigrationChanged)
    await rm(folder, { recursive: true })
  })

  it('leave nothing behind of a file that fails half way', async () => {
    const folder = await copyOfMigrations()
    await writeFile(join(folder, '0901_broken.sql'), 'CREATE TABLE orch.half (id int); SELECT 1 / 0;')
    const broken = withClient(scene.database.url, (client) => migrate({ client, now, folder: urlOf(folder) }))
    await expect(broken).rejects.toThrow('division by zero')
    expect(await scene.rows(`SELECT to_regclass('orch.half') AS half`)).toEqual([{ half: null }])
    await rm(folder, { recursive: true })
  })

  it('DAT-1 widen the statuses of partitions that are there already, and of those that follow', async () => {
    const old = await createDatabase(addressFromEnv('DATABASE_URL'), `sinks_old_${process.pid}`, now)
    const folder = await copyOfMigrations()
    const later = (await readdir(folder)).filter((name) => name >= '0008')
    await Promise.all(later.map((name) => rm(join(folder, name))))
    const taken = await withClient(old.url, async (client) => {
      await client.query('DROP SCHEMA orch, dlr, smpp CASCADE; DELETE FROM public.schema_migrations')
      await migrate({ client, now, folder: urlOf(folder) })
      await ensurePartitions({ client, now, monthsAhead: 0, monthsBack: 0 })
      await migrate({ client, now })
      await ensurePartitions({ client, now, monthsAhead: 1, monthsBack: 0 })
      const intoMonth = (at: string) => client.query(INSERT_ALL_STATUSES, [MESSAGE_STATUSES, at])
      return [await intoMonth('2026-04-18T00:00:00Z'), await intoMonth('2026-05-18T00:00:00Z')]
    })
    expect(taken.map(({ rowCount }) => rowCount)).toEqual([13, 13])
    await rm(folder, { recursive: true })
    await old.drop()
  })

  it('can run in two databases and twice in one at the same time', async () => {
    const names = ['a', 'b'].map((letter) => `sinks_race_${letter}_${process.pid}`)
    const admin = addressFromEnv('DATABASE_URL')
    const databases = await Promise.all(names.map((name) => createDatabase(admin, name, now)))
    const again = databases.flatMap(({ url }) => [url, url])
    const applied = await Promise.all(
      again.map((url) => withClient(url, (client) => migrate({ client, now }))),
    )
    expect(applied).toEqual([[], [], [], []])
    await Promise.all(databases.map((database) => database.drop()))
  })
})

describe('tables', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await openScene('tables')
  })
  afterAll(() => scene.close())

  const indexesOf = async (table: string) =>
    (
      await scene.rows(
        `SELECT indexname AS name, regexp_replace(indexdef, '^.* USING ', '') AS definition
         FROM pg_indexes WHERE format('%I.%I', schemaname, tablename) = $1 ORDER BY 1`,
        [table],
      )
    ).map(({ name, definition }) => `${String(name)}: ${String(definition)}`)

  it('DAT-1 sms_messages has the columns and the key of [DB2]', async () => {
    const columns = await scene.rows(
      `SELECT column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' NN' ELSE '' END AS text
       FROM information_schema.columns WHERE table_schema = 'orch' AND table_name = 'sms_messages'`,
    )
    expect(columns.map(({ text }) => String(text)).toSorted()).toEqual(
      [
        'message_id uuid NN',
        'tenant_id uuid NN',
        'account_id uuid NN',
        'to_msisdn text NN',
        'from_sender text NN',
        'body text NN',
        'segment_count smallint NN',
        'message_type text NN',
        'encoding text NN',
        'status text NN',
        'status_seq integer NN',
        'attempt_count smallint NN',
        'operator_id text',
        'route_id text',
        'idempotency_hash text',
        'callback_url text',
        'last_error jsonb',
        'metadata jsonb',
        'dlr_status character varying',
        'dlr_received_at timestamp with time zone',
        'enqueued_at timestamp with time zone NN',
        'status_updated_at timestamp with time zone NN',
        'expires_at timestamp with time zone NN',
        'send_at timestamp with time zone',
        'processed_at timestamp with time zone',
        'created_at timestamp with time zone NN',
        'updated_at timestamp with time zone NN',
      ].toSorted(),
    )
  })

  it('DAT-3 sms_messages has its key and its six indexes', async () => {
    expect(await indexesOf('orch.sms_messages')).toEqual([
      'ix_sms_messages_account_id_enqueued_at: btree (account_id, enqueued_at DESC)',
      'ix_sms_messages_idempotency_hash: btree (idempotency_hash) WHERE (idempotency_hash IS NOT NULL)',
      'ix_sms_messages_operator_id_status: btree (operator_id, status)',
      `ix_sms_messages_queued: btree (enqueued_at, message_id) WHERE (status = 'QUEUED'::text)`,
      `ix_sms_messages_scheduled: btree (send_at) WHERE (status = 'SCHEDULED'::text)`,
      'ix_sms_messages_tenant_id_status: btree (tenant_id, status)',
      'sms_messages_pkey: btree (message_id, enqueued_at)',
    ])
  })

  it.each([
    ['segment_count', '0'],
    ['message_type', `'MMS'`],
    ['encoding', `'LATIN1'`],
    ['status', `'UNKNOWN'`],
  ])('DAT-1 sms_messages refuses %s = %s', async (column, value) => {
    const insert = scene.admin.query(
      `INSERT INTO orch.sms_messages
       SELECT (jsonb_populate_record(NULL::orch.sms_messages, jsonb_build_object(
         'message_id', gen_random_uuid(), 'tenant_id', gen_random_uuid(), 'account_id', gen_random_uuid(),
         'to_msisdn', '', 'from_sender', '', 'body', '', 'segment_count', 1, 'message_type', 'SMS', 'encoding', 'GSM7',
         'status', 'QUEUED', 'status_seq', 1, 'attempt_count', 0, 'enqueued_at', '2026-04-18T00:00:00Z',
         'status_updated_at', now(), 'expires_at', now(), 'created_at', now(), 'updated_at', now()
       ) || jsonb_build_object('${column}', ${value}))).*`,
    )
    await expect(insert).rejects.toThrow(`violates check constraint "sms_messages_${column}_check"`)
  })

  it('DAT-1 sms_messages takes every status of [SC4]', async () => {
    const { rowCount } = await scene.admin.query(INSERT_ALL_STATUSES, [
      MESSAGE_STATUSES,
      '2026-04-18T00:00:00Z',
    ])
    expect(rowCount).toBe(13)
  })

  it('DAT-6 idempotency_keys is found by its hash and purged by expires_at', async () => {
    expect(await indexesOf('orch.idempotency_keys')).toEqual([
      'idempotency_keys_pkey: btree (hash)',
      'ix_idempotency_keys_expires_at: btree (expires_at)',
    ])
  })

  it('correlations have the named keys of [DB32]', async () => {
    expect(await indexesOf('smpp.message_correlations')).toEqual([
      `idx_mc_expires_at: btree (expires_at) WHERE ((status)::text = 'SUBMITTED'::text)`,
      'idx_mc_message_id: btree (message_id)',
      'idx_mc_operator_msg: btree (operator_id, operator_message_id)',
      `ix_mc_over_expires_at: btree (expires_at) WHERE ((status)::text <> 'SUBMITTED'::text)`,
      'message_correlations_pkey: btree (id)',
      'uq_operator_msg: btree (operator_id, operator_message_id)',
    ])
  })
})

const INSERT_ALL_STATUSES = `
  INSERT INTO orch.sms_messages (message_id, tenant_id, account_id, to_msisdn, from_sender, body, segment_count,
    message_type, encoding, status, enqueued_at, status_updated_at, expires_at)
  SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '', '', '', 1, 'SMS', 'GSM7', status, $2, now(), now()
  FROM unnest($1::text[]) AS status`

async function copyOfMigrations(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
  await cp(new URL('.', import.meta.url), folder, { recursive: true })
  return folder
}

const urlOf = (folder: string): URL => pathToFileURL(`${folder}/`)
