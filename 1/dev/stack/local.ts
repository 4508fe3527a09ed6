import { mkdirSync } from 'node:fs'
import { type Child, startChild } from './child.ts'
import { hasKafkaJars } from './kafka-jars.ts'
import { ensurePrograms, type ProgramName } from './install.ts'
import { prepareKafka } from './kafka.ts'
import { prepareNats } from './nats.ts'
import { preparePostgres } from './postgres.ts'
import { prepareRedis } from './redis.ts'
import { recordProcess } from './run-folder.ts'
import type { ServerName } from './server-names.ts'
import type { Prepared, Workplace } from './workplace.ts'

/** A server that runs as a child of this process. */
export interface LocalServer<Name extends string = ServerName> {
  readonly name: Name
  readonly address: string
  readonly pid: () => number
  /** Orderly stop; its data and its port stay. */
  stop(): Promise<void>
  /** SIGKILL; its data and its port stay. */
  crash(): Promise<void>
  /** Starts it again after `stop` or `crash`, on the same port and data; ready when it resolves. */
  start(): Promise<void>
}

const prepare: Readonly<Record<ServerName, (place: Workplace) => Promise<Prepared>>> = {
  kafka: prepareKafka,
  nats: prepareNats,
  postgres: preparePostgres,
  redis: prepareRedis,
}

/** Maven is only needed until the jars of the broker are in the cache. */
const programsOf = (cache: string): Readonly<Record<ServerName, readonly ProgramName[]>> => ({
  kafka: hasKafkaJars(cache) ? ['java'] : ['java', 'mvn'],
  nats: ['nats-server'],
  postgres: ['initdb', 'postgres'],
  redis: ['redis-server'],
})

/** Installs what these servers need and the machine lacks, all in one step. */
export const ensureLocalPrograms = async (names: readonly ServerName[], place: Workplace): Promise<void> => {
  mkdirSync(place.cache, { recursive: true })
  const needs = programsOf(place.cache)
  const needed = names.flatMap((name) => needs[name])
  await ensurePrograms(needed, place.say, place.abort)
}

/** Starts one server as a child process; ready when it resolves. */
export const startLocalServer = async (name: ServerName, place: Workplace): Promise<LocalServer> => {
  const began = Date.now()
  const server = await startPrepared(name, await prepare[name](place), place)
  place.say(`${name} is ready on ${server.address} after ${((Date.now() - began) / 1000).toFixed(1)} s`)
  return server
}

export const startPrepared = async <Name extends string>(
  name: Name,
  { address, child, warmUp }: Prepared,
  place: Workplace,
): Promise<LocalServer<Name>> => {
  const launch = async (): Promise<Child> =>
    startChild(child, (pid) => recordProcess(place.run, name, pid, child.stopSignal), place.abort)
  let running = await launch()
  try {
    await warmUp?.()
  } catch (error) {
    await running.stop()
    throw error
  }
  return {
    name,
    address,
    pid: () => running.pid,
    stop: async () => running.stop(),
    crash: async () => running.crash(),
    start: async () => {
      await running.stop()
      running = await launch()
    },
  }
}
