import { Client } from 'pg'
import { ensurePartitions } from '../sinks/postgres/partitions.ts'
import { migrate } from '../sinks/sql/migrate.ts'

/** A database of its own for a test or a demonstration, with every table, role and partition. */
export interface TemporaryDatabase {
  /** As the user of the admin address. */
  readonly url: string
  /** The same database as a role of spec data.md section 5, for example `orch_svc`; the cluster must trust it. */
  readonly urlAs: (role: string) => string
  /** Ends what is still connected. */
  drop(): Promise<void>
}

/**
 * `adminUrl` is a superuser's address of any database of the cluster; `name` consists of small letters, digits and
 * underscores, and an older database of that name is dropped. Partitions surround `now`.
 */
export async function createDatabase(
  adminUrl: string,
  name: string,
  now: () => number = Date.now,
): Promise<TemporaryDatabase> {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new Error(`not a database name: ${name}`)
  const drop = () => onServer(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  await drop()
  await onServer(adminUrl, `CREATE DATABASE ${name}`)
  const address = new URL(adminUrl)
  address.pathname = `/${name}`
  await prepare(address.href, now)
  return { url: address.href, urlAs: (role) => addressAs(address.href, role), drop }
}

function addressAs(url: string, role: string): string {
  const address = new URL(url)
  address.username = role
  address.password = ''
  return address.href
}

async function prepare(url: string, now: () => number): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await migrate({ client, now })
    await ensurePartitions({ client, now, monthsAhead: 3, monthsBack: 1 })
  } finally {
    await client.end()
  }
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
