import { cpus } from 'node:os'
import { dirname } from 'node:path'
import { clearRun } from '../stack/leftovers.ts'
import { freePort } from '../stack/ports.ts'
import { createRunFolder, stackRoot } from '../stack/run-folder.ts'
import type { Stack } from '../stack/stack.ts'
import { startIdentityProvider, type IdentityProvider } from '../neighbours/identity-provider/identity.ts'
import { runOnce, Service } from './service.ts'
import {
  preparations,
  SERVICE_NAMES,
  services,
  type Ports,
  type ServiceName,
  type Surroundings,
} from './services.ts'

/**
 * The whole platform as real processes around a running stack: prepared, started in order of need,
 * stopped in reverse.
 */
export interface Platform {
  readonly apiUrl: string
  readonly smscControlUrl: string
  readonly ports: Ports
  readonly runPath: string
  readonly partitions: number
  readonly stack: Stack
  readonly identity: IdentityProvider
  readonly services: ReadonlyMap<ServiceName, Service>
  close(): Promise<void>
}

export interface PlatformOptions {
  readonly stack: Stack
  readonly abort: AbortSignal
  readonly say: (line: string) => void
  readonly partitions?: number
  readonly commitMs?: number
  /** Options of Node itself for every service. */
  readonly nodeOptions?: readonly string[]
  /** Keep the folder with the logs after the end. */
  readonly keep?: boolean
}

/**
 * One machine: fewer partitions than production's 12, because each costs a transactional producer
 * per topology.
 */
const LOCAL_PARTITIONS = 4
const LISTENERS_MAX = 50

export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { stack, abort, say } = options
  // One listener a child process: more than the ten at which Node suspects a leak.
  process.setMaxListeners(LISTENERS_MAX)
  const root = dirname(stackRoot)
  const run = createRunFolder(stackRoot)
  const identity = await startIdentityProvider()
  const given = await surroundings(options, run.path, identity)
  const all = new Map(
    Object.values(services(given)).map((spec) => [
      nameOf(spec.name),
      new Service({ ...spec, nodeOptions: options.nodeOptions ?? [] }, run, root, abort),
    ]),
  )
  const close = async (): Promise<void> => {
    for (const name of SERVICE_NAMES.toReversed()) await all.get(name)?.stop()
    await identity.close()
    if (options.keep !== true) await clearRun(run)
  }
  try {
    say('preparing tables, topics, streams ...')
    for (const spec of preparations(given)) await runOnce(spec, root, abort)
    await startInBatches(all, say)
  } catch (error) {
    await close()
    throw error
  }
  const { ports, partitions } = given
  return {
    apiUrl: `http://127.0.0.1:${ports.api}`,
    smscControlUrl: `http://127.0.0.1:${ports.smsc}`,
    ports,
    runPath: run.path,
    partitions,
    stack,
    identity,
    services: all,
    close,
  }
}

async function surroundings(
  options: PlatformOptions,
  runPath: string,
  identity: IdentityProvider,
): Promise<Surroundings> {
  const names = [...SERVICE_NAMES, 'smpp'] as const
  const ports: Record<string, number> = {}
  for (const name of names) ports[name] = await freePort()
  return {
    stack: options.stack,
    ports: portsOf(ports),
    runPath,
    jwksUrl: identity.jwksUrl,
    partitions: options.partitions ?? LOCAL_PARTITIONS,
    commitMs: options.commitMs,
  }
}

function portsOf(found: Readonly<Record<string, number>>): Ports {
  const port = (name: string): number => {
    const given = found[name]
    if (given === undefined) throw new Error(`no port for ${name}`)
    return given
  }
  return {
    'operator-management': port('operator-management'),
    smsc: port('smsc'),
    'routing-engine': port('routing-engine'),
    topologies: port('topologies'),
    bridges: port('bridges'),
    sinks: port('sinks'),
    jobs: port('jobs'),
    gateway: port('gateway'),
    api: port('api'),
    smpp: port('smpp'),
  }
}

function nameOf(name: string): ServiceName {
  const found = SERVICE_NAMES.find((candidate) => candidate === name)
  if (found === undefined) throw new Error(`no service is called ${name}`)
  return found
}

/**
 * Neighbours first; then our own, as many at a time as there are cores: each start compiles
 * TypeScript.
 */
async function startInBatches(
  all: ReadonlyMap<ServiceName, Service>,
  say: (line: string) => void,
): Promise<void> {
  const waiting: ServiceName[] = [...SERVICE_NAMES]
  const starters = Array.from({ length: Math.max(2, cpus().length) }, async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      say(`starting ${name} ...`)
      await all.get(name)?.start()
    }
  })
  await Promise.all(starters)
}
