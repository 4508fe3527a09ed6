import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** How one server is started, asked for its health and stopped. Paths are absolute. */
export interface ChildSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly logFile: string
  readonly env?: NodeJS.ProcessEnv
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly stopSignal: NodeJS.Signals
  readonly stopWithinMs: number
  readonly readyWithinMs: number
  /** Whether the server answers; a refused connection is `false`, not an exception. */
  readonly isReady: () => Promise<boolean>
}

export interface Child {
  readonly name: string
  readonly pid: number
  /** Orderly stop, then SIGKILL after `stopWithinMs`; resolves when the process is gone. */
  stop(): Promise<void>
  /** What a crash does: SIGKILL, and the process is gone when this resolves. */
  crash(): Promise<void>
}

const readyPollMs = 50
const logTailLines = 25

/** The last lines of a log, for the error that a person reads first. */
export const logTail = (file: string): string => {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-logTailLines)
  return lines.map((line) => `    ${line}`).join('\n')
}

const launch = (spec: ChildSpec): ChildProcess => {
  const log = openSync(spec.logFile, 'a')
  try {
    return spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env ?? process.env,
      stdio: ['ignore', log, log],
      // A session of its own: Ctrl-C reaches the owner only, which then takes the servers down in
      // order.
      detached: true,
      ...spec.user,
    })
  } finally {
    closeSync(log)
  }
}

const hasExited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

const exitWithin = async (child: ChildProcess, withinMs: number): Promise<boolean> => {
  if (hasExited(child)) return true
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

const end = async (child: ChildProcess, signal: NodeJS.Signals, withinMs: number): Promise<void> => {
  if (hasExited(child)) return
  child.kill(signal)
  if (await exitWithin(child, withinMs)) return
  child.kill('SIGKILL')
  await exitWithin(child, withinMs)
}

/**
 * The pid is known as soon as spawn() returns; without one the command could not be run, and the
 * event says why.
 */
const pidOf = async (child: ChildProcess, spec: ChildSpec): Promise<number> => {
  if (child.pid !== undefined) return child.pid
  const cause = await new Promise<Error>((resolve) => child.once('error', resolve))
  throw new Error(`${spec.name}: cannot run ${spec.command}`, { cause })
}

const waitUntilReady = async (child: ChildProcess, spec: ChildSpec, abort: AbortSignal): Promise<void> => {
  const deadline = Date.now() + spec.readyWithinMs
  while (!(await spec.isReady())) {
    abort.throwIfAborted()
    if (hasExited(child)) {
      const how = child.exitCode === null ? `signal ${child.signalCode}` : `exit code ${child.exitCode}`
      throw new Error(
        `${spec.name} ended with ${how} while it started. Its last lines:\n${logTail(spec.logFile)}`,
      )
    }
    if (Date.now() > deadline) {
      throw new Error(
        `${spec.name} did not answer within ${spec.readyWithinMs / 1000} s. Its last lines:\n${logTail(spec.logFile)}`,
      )
    }
    await sleep(readyPollMs)
  }
}

/**
 * Starts one server and waits until it answers. `record` gets the pid before anything else happens,
 * so that a killed owner leaves no server behind that nobody knows. Rejects with the tail of the
 * server's log; the process is gone then.
 */
export const startChild = async (
  spec: ChildSpec,
  record: (pid: number) => void,
  abort: AbortSignal,
): Promise<Child> => {
  const child = launch(spec)
  if (child.pid !== undefined) record(child.pid)
  const pid = await pidOf(child, spec)
  // The owner may leave through an uncaught error: its servers then get their stop signal, and the
  // next start clears the rest.
  const onOwnerExit = (): void => void child.kill(spec.stopSignal)
  process.once('exit', onOwnerExit)
  child.once('exit', () => process.removeListener('exit', onOwnerExit))
  try {
    await waitUntilReady(child, spec, abort)
  } catch (error) {
    await end(child, spec.stopSignal, spec.stopWithinMs)
    throw error
  }
  return {
    name: spec.name,
    pid,
    stop: async () => end(child, spec.stopSignal, spec.stopWithinMs),
    crash: async () => end(child, 'SIGKILL', spec.stopWithinMs),
  }
}
