import { spawn } from 'node:child_process'
import type { ChildSpec } from './child.ts'

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly user?: ChildSpec['user']
  readonly abort?: AbortSignal
}

export interface CommandResult {
  readonly code: number
  /** Both streams in the order in which they came. */
  readonly output: string
}

const outputMaxBytes = 1_000_000

/**
 * Runs a short command to its end. A command that cannot be run rejects; one that fails is a result
 * with its code.
 */
export const runCommand = async (
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: options.abort,
      ...options.user,
    })
    let output = ''
    const keep = (bytes: Buffer): void => {
      output = (output + bytes.toString('utf8')).slice(-outputMaxBytes)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    let failure: Error | undefined
    child.once('error', (error) => {
      failure = error
      if (child.pid === undefined) reject(error)
    })
    // An aborted command is over when it has ended, not when it gets its signal: its folder is
    // removed next.
    child.once('close', (code) => {
      if (failure === undefined) resolve({ code: code ?? 1, output })
      else reject(failure)
    })
  })

const shownLines = 25

/**
 * As `runCommand`, for a command that must succeed: otherwise an error with `what` and the last
 * lines of its output.
 */
export const runOrExplain = async (
  what: string,
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> => {
  const { code, output } = await runCommand(command, args, options)
  if (code === 0) return output
  const tail = output.trimEnd().split('\n').slice(-shownLines).join('\n')
  throw new Error(`${what} failed with exit code ${code}. Its last lines:\n${tail}`)
}
