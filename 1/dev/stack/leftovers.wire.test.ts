import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { answers } from './answers.ts'
import { clearLeftovers, outsidePrefix } from './leftovers.ts'
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts'
import { type RunFolder, writeRecord } from './run-folder.ts'
import { type Servers, startServers } from './stack.ts'

const here = dirname(fileURLToPath(import.meta.url))
const quiet = (): void => undefined

let root = ''
const owners: ChildProcess[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sms-streams-leftovers-'))
})

afterEach(async () => {
  for (const owner of owners.splice(0)) await kill(owner)
  await clearLeftovers(root, quiet)
  rmSync(root, { recursive: true, force: true })
})

const kill = async (owner: ChildProcess): Promise<void> => {
  if (owner.exitCode !== null || owner.signalCode !== null) return
  owner.kill('SIGKILL')
  await once(owner, 'exit')
}

const Announced = z.object({ pid: z.number(), address: z.string() })

interface Owner {
  readonly process: ChildProcess
  readonly redis: ProcessIdentity
  readonly port: number
}

const identityOf = (pid: number | undefined): ProcessIdentity => {
  const identity = pid === undefined ? undefined : identify(pid)
  if (identity === undefined) throw new Error(`process ${pid} is not alive`)
  return identity
}

/** An owner in a process of its own, with its Redis answering. */
const startOwner = async (): Promise<Owner> => {
  const owner = spawn(process.execPath, ['--import', 'tsx', join(here, 'testing/owner.fixture.ts'), root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  owners.push(owner)
  const line = await new Promise<string>((resolve, reject) => {
    owner.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString('utf8')))
    owner.once('exit', (code) => reject(new Error(`the owner ended with exit code ${code}`)))
  })
  const { pid, address } = Announced.parse(JSON.parse(line))
  return { process: owner, redis: identityOf(pid), port: Number(new URL(address).port) }
}

const startRedis = async (): Promise<Servers> =>
  startServers(['redis'], { root, docker: 'never', env: {}, say: quiet })

const runFolders = (): string[] => readdirSync(root).filter((name) => name.startsWith('run-'))

describe('the local stack', () => {
  it('clears the servers and the folder of an owner that was killed, at the next start', async () => {
    const killed = await startOwner()
    const [leftFolder] = runFolders()
    await kill(killed.process)
    expect(isAlive(killed.redis)).toBe(true)

    const next = await startRedis()

    expect(isAlive(killed.redis)).toBe(false)
    expect(runFolders()).toHaveLength(1)
    expect(runFolders()).not.toContain(leftFolder)
    await next.stop()
    expect(runFolders()).toEqual([])
  })

  it('leaves the servers of a living owner alone, at its start and at its stop', async () => {
    const living = await startOwner()
    const other = await startRedis()
    expect(runFolders()).toHaveLength(2)
    await other.stop()
    expect(runFolders()).toHaveLength(1)
    expect(await answers(living.port, 'PING\r\n', '+PONG')).toBe(true)
  })

  it('takes its server down with its data, and may be stopped twice', async () => {
    const servers = await startRedis()
    const redis = identityOf(servers.local.get('redis')?.pid())
    await servers.stop()
    await servers.stop()
    expect(isAlive(redis)).toBe(false)
    expect(runFolders()).toEqual([])
  })

  it('starts a crashed server again on the same port and data', async () => {
    const servers = await startRedis()
    const redis = servers.local.get('redis')
    const port = Number(new URL(servers.addresses.get('redis') ?? '').port)
    expect(await answers(port, 'SET kept yes\r\n', '+OK')).toBe(true)
    await redis?.stop()
    expect(await answers(port, 'PING\r\n', '+PONG')).toBe(false)
    await redis?.start()
    expect(await answers(port, 'GET kept\r\n', 'yes')).toBe(true)
    await redis?.crash()
    await redis?.start()
    expect(await answers(port, 'PING\r\n', '+PONG')).toBe(true)
    await servers.stop()
  })

  it('uses an address that is given, and starts nothing', async () => {
    const servers = await startServers(['redis'], {
      root,
      env: { REDIS_URL: 'redis://elsewhere:6379' },
      say: quiet,
    })
    expect(servers.addresses.get('redis')).toBe('redis://elsewhere:6379')
    expect(servers.local.size).toBe(0)
    await servers.stop()
    expect(runFolders()).toEqual([])
  })

  it('takes everything down when the start is aborted', async () => {
    const abort = new AbortController()
    const start = startServers(['redis', 'postgres'], {
      root,
      docker: 'never',
      env: {},
      say: (line) => {
        if (line.startsWith('redis is ready')) abort.abort(new Error('changed my mind'))
      },
      abort: abort.signal,
    })
    await expect(start).rejects.toThrow(/changed my mind|aborted/)
    expect(runFolders()).toEqual([])
  })
})

/** The folder of an owner that has this process's pid, and is another process. */
const deadRun = (): RunFolder => {
  const owner = { pid: process.pid, started: '000000000000' }
  const path = join(root, `run-${owner.pid}-${owner.started}-1`)
  mkdirSync(path)
  return { path, owner }
}

describe('clearing leftovers', () => {
  it('never signals a process that merely has a recorded pid', async () => {
    const bystander = spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 1000)'], {
      stdio: 'ignore',
    })
    owners.push(bystander)
    const identity = identityOf(bystander.pid)
    const run = deadRun()
    writeRecord(run, 'redis', {
      kind: 'process',
      ...identity,
      started: 'ffffffffffff',
      stopSignal: 'SIGTERM',
    })
    await clearLeftovers(root, quiet)
    expect(isAlive(identity)).toBe(true)
    expect(existsSync(run.path)).toBe(false)
  })

  it('keeps what cannot be cleared yet for the next start, and says so', async () => {
    const run = deadRun()
    writeRecord(run, 'compose', { kind: 'compose', project: 'Not A Project Name' })
    const lines: string[] = []
    await clearLeftovers(root, (line) => lines.push(line))
    expect(lines.at(-1)).toMatch(/^not cleared, the next start tries again: /)
    expect(existsSync(run.path)).toBe(true)
  })

  it('removes a recorded folder outside only when the stack can have made it', async () => {
    const own = mkdtempSync(join(tmpdir(), outsidePrefix))
    const foreign = mkdtempSync(join(tmpdir(), 'somebody-'))
    const run = deadRun()
    writeRecord(run, 'own', { kind: 'folder', path: own })
    writeRecord(run, 'foreign', { kind: 'folder', path: foreign })
    await clearLeftovers(root, quiet)
    expect(existsSync(own)).toBe(false)
    expect(existsSync(foreign)).toBe(true)
    rmSync(foreign, { recursive: true })
  })
})
