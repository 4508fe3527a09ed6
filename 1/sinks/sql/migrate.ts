import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { ClientBase } from 'pg'

export interface MigrateOptions {
  /**
   * One connection, not a pool: the advisory lock belongs to it. The first run needs the right to
   * create roles.
   */
  readonly client: ClientBase
  readonly now: () => number
  /** For tests: another folder of numbered files. */
  readonly folder?: URL
}

interface Migration {
  readonly name: string
  readonly sql: string
  readonly sha256: string
}

const FOLDER = new URL('.', import.meta.url)
const NUMBERED = /^\d{4}_[a-z0-9_]+\.sql$/
/** Any constant will do. */
const MIGRATION_LOCK = 4_711_001

/**
 * An applied file has been edited or is gone: the database no longer is what the files say, and a
 * person must look.
 */
export class MigrationChanged extends Error {
  override readonly name = 'MigrationChanged'
}

/**
 * Applies the numbered files that this database has not seen, in order, each in one transaction,
 * and returns their names. Safe to call from several processes at once: one applies, the others
 * wait and find nothing to do.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const { client } = options
  const migrations = await readMigrations(options.folder ?? FOLDER)
  await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
  try {
    const applied = await appliedMigrations(client)
    refuseChanges(migrations, applied)
    const missing = migrations.filter(({ name }) => !applied.has(name))
    for (const migration of missing) await apply(client, migration, options.now())
    return missing.map(({ name }) => name)
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK])
  }
}

async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => NUMBERED.test(name)).toSorted()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8')
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function appliedMigrations(client: ClientBase): Promise<ReadonlyMap<string, string>> {
  // Looked up first: IF NOT EXISTS asks for the right to create even when there is nothing to do,
  // and migrator has none.
  const found = await client.query<{ missing: boolean }>(
    `SELECT to_regclass('public.schema_migrations') IS NULL AS missing`,
  )
  if (found.rows[0]?.missing === true) {
    await client.query(
      `CREATE TABLE public.schema_migrations (
         name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL
       )`,
    )
  }
  const { rows } = await client.query<{ name: string; sha256: string }>(
    'SELECT name, sha256 FROM public.schema_migrations',
  )
  return new Map(rows.map(({ name, sha256 }) => [name, sha256]))
}

function refuseChanges(migrations: readonly Migration[], applied: ReadonlyMap<string, string>): void {
  const known = new Map(migrations.map(({ name, sha256 }) => [name, sha256]))
  for (const [name, sha256] of applied) {
    if (known.get(name) !== sha256) {
      throw new MigrationChanged(
        `${name} was applied in another form; write a new file instead of editing it`,
      )
    }
  }
}

async function apply(client: ClientBase, migration: Migration, nowMs: number): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(migration.sql)
    // The file may have taken the role of the owner, for this transaction only.
    await client.query('RESET ROLE')
    await client.query(
      'INSERT INTO public.schema_migrations (name, sha256, applied_at) VALUES ($1, $2, $3)',
      [migration.name, migration.sha256, new Date(nowMs)],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}
