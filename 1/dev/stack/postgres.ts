import { chownSync, mkdirSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import type { ChildSpec } from './child.ts'
import { runCommand, runOrExplain } from './command.ts'
import { outsidePrefix } from './leftovers.ts'
import { type RunFolder, writeRecord } from './run-folder.ts'
import type { Prepared, Workplace } from './workplace.ts'

type User = NonNullable<ChildSpec['user']>

const numberFrom = async (command: string, args: readonly string[]): Promise<number | undefined> => {
  const { code, output } = await runCommand(command, args)
  return code === 0 ? Number(output.trim()) : undefined
}

/**
 * Postgres refuses to run as root: then it runs as the packages' user, or as nobody where only the
 * binaries are there.
 */
const serverUser = async (): Promise<User | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const uid = await numberFrom('id', ['-u', name])
    const gid = await numberFrom('id', ['-g', name])
    if (uid !== undefined && gid !== undefined) return { uid, gid }
  }
  throw new Error('Postgres must not run as root, and there is neither a user postgres nor a user nobody.')
}

const othersMayEnter = (folder: string): boolean => {
  const isOpen = (statSync(folder).mode & 0o001) !== 0
  return isOpen && (dirname(folder) === folder || othersMayEnter(dirname(folder)))
}

/**
 * A clone below root's home is closed to other users; the data then lies in the temporary folder,
 * and the run remembers it.
 */
const dataHome = (run: RunFolder, user: User | undefined): string => {
  if (user === undefined || othersMayEnter(run.path)) return run.path
  const path = mkdtempSync(join(tmpdir(), outsidePrefix))
  writeRecord(run, 'postgres-data', { kind: 'folder', path })
  chownSync(path, user.uid, user.gid)
  return path
}

const isReady = async (connectionString: string): Promise<boolean> => {
  const client = new Client({ connectionString, connectionTimeoutMillis: 1_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** One cluster of its own with the superuser `postgres`, trusted on 127.0.0.1; fsync stays on. */
export const preparePostgres = async ({ run, port, binary, abort }: Workplace): Promise<Prepared> => {
  const user = await serverUser()
  const data = join(dataHome(run, user), 'postgres')
  mkdirSync(data, { mode: 0o700 })
  if (user !== undefined) chownSync(data, user.uid, user.gid)
  const options = { cwd: data, abort, ...(user === undefined ? {} : { user }) }
  await runOrExplain(
    'initdb',
    await binary('initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
    options,
  )
  const listen = await port()
  const address = `postgres://postgres@127.0.0.1:${listen}/postgres`
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(listen),
    // No socket file: its path may be at most 107 bytes long, and a clone may lie deeper than that.
    unix_socket_directories: '',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
  }
  return {
    address,
    child: {
      name: 'postgres',
      command: await binary('postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      cwd: data,
      logFile: join(run.path, 'postgres.log'),
      ...(user === undefined ? {} : { user }),
      // The immediate shutdown: no checkpoint for data that is removed next, but shared memory is
      // given back.
      stopSignal: 'SIGQUIT',
      stopWithinMs: 10_000,
      readyWithinMs: 60_000,
      isReady: async () => isReady(address),
    },
  }
}
