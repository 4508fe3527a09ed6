import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { sleep } from '../../streams/platform/backoff.ts'
import { runCommand, runOrExplain } from './command.ts'

/**
 * A program that the stack starts, and the Debian packages that bring it, the preferred one first.
 */
export interface Program {
  readonly name: string
  readonly packages: readonly string[]
  readonly find: () => Promise<string | undefined>
}

const javaVersionMin = 17

/** Debian keeps these outside PATH: Postgres by version, servers in the administrator's folders. */
const foldersOutsidePath = (): string[] => [
  ...['/usr/lib/postgresql', '/opt/homebrew/opt'].flatMap((parent) =>
    (existsSync(parent) ? readdirSync(parent) : [])
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .map((entry) => join(parent, entry, 'bin')),
  ),
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/sbin',
  '/opt/homebrew/bin',
]

const foldersOfPath = (): string[] => (process.env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '')

/** Path of an installed program, in PATH or where Debian and Homebrew put servers. */
export const findProgram = (name: string): string | undefined =>
  [...foldersOfPath(), ...foldersOutsidePath()].map((folder) => join(folder, name)).find(existsSync)

const javaVersion = async (java: string): Promise<number> => {
  const { code, output } = await runCommand(java, ['-version'])
  return code === 0 ? Number(/version "(\d+)/.exec(output)?.[1] ?? 0) : 0
}

/** The first Java that is new enough: an older one may stand in front of it in PATH. */
const findJava = async (): Promise<string | undefined> => {
  const jvms = existsSync('/usr/lib/jvm') ? readdirSync('/usr/lib/jvm') : []
  const home = process.env['JAVA_HOME']
  const candidates = [
    ...(home === undefined ? [] : [join(home, 'bin', 'java')]),
    ...foldersOfPath().map((folder) => join(folder, 'java')),
    ...jvms.map((jvm) => join('/usr/lib/jvm', jvm, 'bin', 'java')),
  ]
  for (const java of candidates) {
    if (existsSync(java) && (await javaVersion(java)) >= javaVersionMin) return java
  }
  return undefined
}

/** A module and no program: Perl itself says where it lies. */
const findNetSmpp = async (): Promise<string | undefined> => {
  const { code, output } = await runCommand('perl', ['-MNet::SMPP', '-e', "print $INC{'Net/SMPP.pm'}"])
  return code === 0 ? output.trim() : undefined
}

/** A module and no program, and without `ensurepip` an environment would have no pip. */
const findVenv = async (): Promise<string | undefined> => {
  const { code, output } = await runCommand('python3', ['-c', 'import venv, ensurepip; print(venv.__file__)'])
  return code === 0 ? output.trim() : undefined
}

const plain = (name: string, ...packages: string[]): Program => ({
  name,
  packages,
  find: async () => Promise.resolve(findProgram(name)),
})

export const programs = {
  'redis-server': plain('redis-server', 'redis-server'),
  'nats-server': plain('nats-server', 'nats-server'),
  initdb: plain('initdb', 'postgresql-15', 'postgresql'),
  postgres: plain('postgres', 'postgresql-15', 'postgresql'),
  java: {
    name: `java (${javaVersionMin} or newer)`,
    packages: ['openjdk-17-jre-headless', 'default-jre-headless'],
    find: findJava,
  },
  mvn: plain('mvn', 'maven'),
  perl: plain('perl', 'perl'),
  python3: plain('python3', 'python3'),
  venv: { name: 'venv of Python', packages: ['python3-venv'], find: findVenv },
  bearerbox: plain('bearerbox', 'kannel'),
  promtool: plain('promtool', 'prometheus'),
  'net-smpp': { name: 'Net::SMPP of Perl', packages: ['libnet-smpp-perl'], find: findNetSmpp },
} as const satisfies Record<string, Program>

export type ProgramName = keyof typeof programs

const missingOf = async (wanted: readonly Program[]): Promise<Program[]> => {
  const found = await Promise.all(wanted.map(async (program) => program.find()))
  return wanted.filter((_, index) => found[index] === undefined)
}

const mayInstall = (): boolean =>
  process.getuid?.() === 0 && existsSync('/etc/debian_version') && findProgram('apt-get') !== undefined

/** Of a program's packages the first that this release of Debian knows. */
const choosePackage = async (program: Program): Promise<string> => {
  for (const name of program.packages) {
    const { code, output } = await runCommand('apt-cache', ['show', '--no-all-versions', name])
    if (code === 0 && output.includes(`Package: ${name}`)) return name
  }
  throw new Error(`None of the packages ${program.packages.join(', ')} is known to this machine's apt.`)
}

const policyFile = '/usr/sbin/policy-rc.d'

/**
 * Debian starts a service as soon as it is installed unless this file forbids it; one that is
 * already there is kept.
 */
const withoutStartingServices = async (body: () => Promise<void>): Promise<void> => {
  const isOurs = !existsSync(policyFile)
  if (isOurs) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await body()
  } finally {
    if (isOurs) rmSync(policyFile, { force: true })
  }
}

const aptEnv = (): NodeJS.ProcessEnv => ({ ...process.env, DEBIAN_FRONTEND: 'noninteractive' })

const LOCK_TRIES_MAX = 300
const LOCK_LOOK_MS = 1_000

/**
 * Waits for another installation, as two tests begin at once. apt's own time-out is for the lock of
 * dpkg alone; those of its lists and archives it refuses at once.
 */
const aptGet = async (args: readonly string[], abort: AbortSignal): Promise<void> => {
  const options = { env: aptEnv(), abort }
  for (let tries = 1; tries < LOCK_TRIES_MAX; tries += 1) {
    const { code, output } = await runCommand('apt-get', args, options)
    if (code === 0) return
    if (!output.includes('Could not get lock')) break
    await sleep(LOCK_LOOK_MS)
  }
  await runOrExplain(`apt-get ${args[0] ?? ''}`, 'apt-get', args, options)
}

const installPackages = async (
  missing: readonly Program[],
  say: (line: string) => void,
  abort: AbortSignal,
): Promise<void> => {
  say('apt-get update ...')
  await aptGet(['update'], abort)
  const names = [...new Set(await Promise.all(missing.map(choosePackage)))]
  say(`apt-get install ${names.join(' ')} ... (a minute or two)`)
  await withoutStartingServices(async () => {
    const lock = ['-o', 'DPkg::Lock::Timeout=300']
    await aptGet(['install', ...lock, '-y', '--no-install-recommends', ...names], abort)
  })
}

const explain = (missing: readonly Program[]): string => {
  const packages = [...new Set(missing.map((program) => program.packages[0]))].join(' ')
  return [
    `The local stack needs ${missing.map((program) => program.name).join(', ')}, and this machine has no Docker engine either.`,
    `On Debian: sudo apt-get install --no-install-recommends ${packages}`,
    'Or start a Docker engine, or give the addresses of running servers: KAFKA_BROKERS, NATS_URL, DATABASE_URL, REDIS_URL.',
    'Without a Kafka-compatible log only `npm test -- --pure` runs: the in-memory log serves tests only.',
  ].join('\n')
}

/**
 * Makes sure that the programs are there: installs Debian packages when this is root on Debian,
 * otherwise rejects with the one message that says what to install. No system service is left
 * running.
 */
export const ensurePrograms = async (
  names: readonly ProgramName[],
  say: (line: string) => void,
  abort: AbortSignal,
): Promise<void> => {
  const wanted = names.map((name) => programs[name])
  const missing = await missingOf(wanted)
  if (missing.length === 0) return
  if (!mayInstall()) throw new Error(explain(missing))
  await installPackages(missing, say, abort)
  const still = await missingOf(wanted)
  if (still.length > 0) throw new Error(explain(still))
}

export const locate = async (name: ProgramName): Promise<string> => {
  const path = await programs[name].find()
  if (path === undefined) throw new Error(explain([programs[name]]))
  return path
}
