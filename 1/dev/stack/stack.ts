import { join } from 'node:path'
import { z } from 'zod'
import { readConfig } from '../../streams/platform/config.ts'
import { type ComposeRun, hasDockerEngine, startContainers } from './docker.ts'
import { locate } from './install.ts'
import { clearLeftovers, clearRun } from './leftovers.ts'
import { ensureLocalPrograms, type LocalServer, startLocalServer } from './local.ts'
import { freePort } from './ports.ts'
import { createRunFolder, type RunFolder, stackRoot } from './run-folder.ts'
import { addressVariables, type ServerName, serverNames } from './server-names.ts'
import type { Workplace } from './workplace.ts'

export interface StackOptions {
  /** Folder of runs and jars; the ignored `.stack/` of this clone unless a test has its own. */
  readonly root?: string
  /**
   * Where the addresses of running servers may be given; this process's environment unless a test
   * has its own.
   */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `never` leaves a Docker engine out, for tests that look at processes. */
  readonly docker?: 'auto' | 'never'
  /** Takes the lines of progress; stderr unless given. */
  readonly say?: (line: string) => void
  /** Ends a start that is under way; what it had started is taken down. */
  readonly abort?: AbortSignal
  readonly random?: () => number
}

/** Some of the servers. */
export interface Servers {
  readonly addresses: ReadonlyMap<ServerName, string>
  /**
   * The servers that are children of this process, and so can be stopped and started; none of a
   * container or a given address.
   */
  readonly local: ReadonlyMap<ServerName, LocalServer>
  /**
   * Takes everything down and removes its data; resolves when nothing is left. May be called again.
   */
  stop(): Promise<void>
}

/** The whole stack. Addresses have the form that the services' environment takes. */
export interface Stack extends Servers {
  readonly kafkaBrokers: string
  readonly natsUrl: string
  readonly databaseUrl: string
  readonly redisUrl: string
  /** KAFKA_BROKERS, NATS_URL, DATABASE_URL, REDIS_URL. */
  readonly env: Readonly<Record<string, string>>
}

const addressShape = Object.fromEntries(
  Object.values(addressVariables).map((variable) => [variable, z.string().optional()]),
)

const givenAddresses = (names: readonly ServerName[], env: StackOptions['env']): Map<ServerName, string> => {
  const config = readConfig(addressShape, env)
  return new Map(
    names.flatMap((name): [ServerName, string][] => {
      const address = config[addressVariables[name]]
      return address === undefined ? [] : [[name, address]]
    }),
  )
}

export const onStderr = (line: string): void => console.error(`[stack] ${line}`)

export const workplace = (root: string, run: RunFolder, options: StackOptions): Workplace => ({
  run,
  cache: join(root, 'cache'),
  port: async () => freePort(options.random),
  binary: locate,
  say: options.say ?? onStderr,
  abort: options.abort ?? new AbortController().signal,
})

/**
 * All or none: when one server cannot be started the others are stopped, and every reason is named.
 */
const startLocal = async (names: readonly ServerName[], place: Workplace): Promise<LocalServer[]> => {
  await ensureLocalPrograms(names, place)
  place.say(`starting ${names.join(', ')} ...`)
  const settled = await Promise.allSettled(names.map(async (name) => startLocalServer(name, place)))
  const started = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const reasons = settled.flatMap((result): unknown[] =>
    result.status === 'rejected' ? [result.reason] : [],
  )
  if (reasons.length === 0) return started
  await Promise.all(started.map(async (server) => server.stop()))
  if (reasons.length === 1) throw reasons[0]
  const messages = reasons.map((reason) => (reason instanceof Error ? reason.message : String(reason)))
  throw new AggregateError(reasons, messages.join('\n'))
}

interface Started {
  readonly local: readonly LocalServer[]
  readonly compose?: ComposeRun
}

const startMissing = async (
  names: readonly ServerName[],
  place: Workplace,
  options: StackOptions,
): Promise<Started> => {
  if (names.length === 0) return { local: [] }
  if (options.docker === 'never' || !(await hasDockerEngine()))
    return { local: await startLocal(names, place) }
  place.say(`starting ${names.join(', ')} as containers ... (images are pulled the first time)`)
  return { local: [], compose: await startContainers(names, place.run, place.port, place.abort) }
}

export const once = (body: () => Promise<void>): (() => Promise<void>) => {
  let result: Promise<void> | undefined
  return async () => {
    result ??= body()
    await result
  }
}

/**
 * Starts the named servers, in parallel, and resolves when all of them answer. Rejects with the
 * reason, the last lines of the server's log among it, and with everything taken down; or with what
 * to install when this machine can run none.
 */
export const startServers = async (
  names: readonly ServerName[],
  options: StackOptions = {},
): Promise<Servers> => {
  const root = options.root ?? stackRoot
  await clearLeftovers(root, options.say ?? onStderr)
  const given = givenAddresses(names, options.env)
  const run = createRunFolder(root)
  const missing = names.filter((name) => !given.has(name))
  try {
    const { local, compose } = await startMissing(missing, workplace(root, run, options), options)
    const own = local.map(({ name, address }): [ServerName, string] => [name, address])
    return {
      addresses: new Map([...given, ...(compose?.addresses ?? []), ...own]),
      local: new Map(local.map((server) => [server.name, server])),
      stop: once(async () => {
        await Promise.all([compose?.stop(), ...local.map(async (server) => server.stop())])
        await clearRun(run)
      }),
    }
  } catch (error) {
    await clearRun(run)
    throw error
  }
}

const addressOf = (servers: Servers, name: ServerName): string => {
  const address = servers.addresses.get(name)
  if (address === undefined) throw new Error(`${name} was not started`)
  return address
}

/** Starts all four servers; see `startServers`. */
export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const servers = await startServers(serverNames, options)
  return {
    ...servers,
    kafkaBrokers: addressOf(servers, 'kafka'),
    natsUrl: addressOf(servers, 'nats'),
    databaseUrl: addressOf(servers, 'postgres'),
    redisUrl: addressOf(servers, 'redis'),
    env: Object.fromEntries(serverNames.map((name) => [addressVariables[name], addressOf(servers, name)])),
  }
}
