import { dirname, join } from 'node:path'
import { runCommand, runOrExplain } from './command.ts'
import { findProgram } from './install.ts'
import { type RunFolder, stackRoot, writeRecord } from './run-folder.ts'
import type { ServerName } from './server-names.ts'

const composeFile = join(dirname(stackRoot), 'docker-compose.redpanda.yml')
const engineAnswersWithinMs = 10_000
const healthyWithinS = 300

interface Container {
  readonly service: string
  /** Variable of the compose file that carries the port on 127.0.0.1. */
  readonly portVariable: string
  readonly address: (port: number) => string
}

/**
 * Which service of docker-compose.redpanda.yml serves what; `compose.test.ts` holds the file to it.
 */
export const containers: Readonly<Record<ServerName, Container>> = {
  kafka: {
    service: 'redpanda',
    portVariable: 'REDPANDA_KAFKA_PORT',
    address: (port) => `127.0.0.1:${port}`,
  },
  nats: { service: 'nats', portVariable: 'NATS_PORT', address: (port) => `nats://127.0.0.1:${port}` },
  postgres: {
    service: 'postgres',
    portVariable: 'POSTGRES_PORT',
    address: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  },
  redis: { service: 'redis', portVariable: 'REDIS_PORT', address: (port) => `redis://127.0.0.1:${port}` },
}

const succeeds = async (args: readonly string[]): Promise<boolean> => {
  try {
    const abort = AbortSignal.timeout(engineAnswersWithinMs)
    return (await runCommand('docker', args, { abort })).code === 0
  } catch {
    return false
  }
}

/**
 * Whether there is a Docker engine that answers, and compose with it; the client alone is not
 * enough.
 */
export const hasDockerEngine = async (): Promise<boolean> =>
  findProgram('docker') !== undefined &&
  (await succeeds(['info'])) &&
  (await succeeds(['compose', 'version']))

const compose = async (
  project: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  abort?: AbortSignal,
): Promise<void> => {
  const all = ['compose', '-p', project, '-f', composeFile, ...args]
  const options = { env: { ...process.env, ...env }, ...(abort === undefined ? {} : { abort }) }
  await runOrExplain(`docker compose ${args[0]}`, 'docker', all, options)
}

export interface ComposeRun {
  readonly addresses: ReadonlyMap<ServerName, string>
  stop(): Promise<void>
}

/**
 * Starts these servers as containers of a compose project of their own, on free ports, and waits
 * for their health checks. The project is recorded first, so that the next start takes it down when
 * this process is killed.
 */
export const startContainers = async (
  names: readonly ServerName[],
  run: RunFolder,
  port: () => Promise<number>,
  abort: AbortSignal,
): Promise<ComposeRun> => {
  const project = `sms-streams-${run.owner.pid}-${run.owner.started}`
  writeRecord(run, 'compose', { kind: 'compose', project })
  const ports = await Promise.all(
    names.map(async (name) => ({ ...containers[name], name, port: await port() })),
  )
  const env = Object.fromEntries(ports.map((entry) => [entry.portVariable, String(entry.port)]))
  const services = ports.map(({ service }) => service)
  const stop = async (): Promise<void> => compose(project, ['down', '--volumes', '--remove-orphans'], env)
  try {
    await compose(
      project,
      ['up', '--detach', '--wait', '--wait-timeout', String(healthyWithinS), ...services],
      env,
      abort,
    )
  } catch (error) {
    await stop()
    throw error
  }
  return { addresses: new Map(ports.map((entry) => [entry.name, entry.address(entry.port)])), stop }
}
