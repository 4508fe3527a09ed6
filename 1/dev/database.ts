import { Client } from 'pg'
import { ensurePartitions } from '../sinks/postgres/partitions.ts'
import { migrate } from '../sinks/sql/migrate.ts'
import { sleep } from '../streams/platform/backoff.ts'

/** A database of its own for a test or a demonstration, with every table, role and partition. */
export interface TemporaryDatabase {
  /** As the user of the admin address. */
  readonly url: string
  /**
   * The same database as a role of [DB50] to [DB57], for example `orch_svc`; the cluster must trust
   * it.
   */
  readonly urlAs: (role: string) => string
  /** Ends what is still connected. */
  drop(): Promise<void>
}

/**
 * `adminUrl` is a superuser's address of any database of the cluster; `name` consists of small
 * letters, digits and underscores, and an older database of that name is dropped. Partitions
 * surround `now`.
 */
export async function createDatabase(
  adminUrl: string,
  name: string,
  now: () => number = Date.now,
): Promise<TemporaryDatabase> {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new Error(`not a database name: ${name}`)
  const drop = () =>
    onServer(adminUrl, async (client) => {
      await disconnected(client, name)
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    })
  await drop()
  await onServer(adminUrl, (client) => client.query(`CREATE DATABASE ${name}`))
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

const DISCONNECT_LOOKS_MAX = 40
const DISCONNECT_LOOK_MS = 50

/**
 * A pool that has ended may still have connections that the server is about to close. One that
 * `FORCE` kills then reports an error to nobody, which ends the process that held it.
 */
async function disconnected(client: Client, name: string): Promise<void> {
  for (let look = 0; look < DISCONNECT_LOOKS_MAX; look++) {
    const { rowCount } = await client.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [name])
    if (rowCount === 0) return
    await sleep(DISCONNECT_LOOK_MS)
  }
}

async function onServer(adminUrl: string, act: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: adminUrl })
  await client.connect()
  try {
    await act(client)
  } finally {
    await client.end()
  }
}
