import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/**
 * One process, not one number: pids are used again, so a pid alone must never be signalled by
 * anyone but its parent. `started` is a digest of the boot and of the instant at which the process
 * began.
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly started: string
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)

const readOrUndefined = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/**
 * proc(5): the command may hold spaces and brackets, so fields are counted from the last one; 3 is
 * state, 22 starttime.
 */
const startOnLinux = (pid: number, bootId: string): string | undefined => {
  const stat = readOrUndefined(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields?.[0]
  // A zombie has ended; only its parent has not looked yet.
  if (fields === undefined || state === 'Z' || state === 'X') return undefined
  return digest(`${bootId.trim()} ${fields[19]}`)
}

const startElsewhere = (pid: number): string | undefined => {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return line === '' || line.startsWith('Z') ? undefined : digest(line.replace(/^\S+\s+/, ''))
  } catch {
    return undefined
  }
}

/** The process that has this pid now, or undefined when none is alive. */
export const identify = (pid: number): ProcessIdentity | undefined => {
  const bootId = readOrUndefined('/proc/sys/kernel/random/boot_id')
  const started = bootId === undefined ? startElsewhere(pid) : startOnLinux(pid, bootId)
  return started === undefined ? undefined : { pid, started }
}

export const isAlive = (identity: ProcessIdentity): boolean =>
  identify(identity.pid)?.started === identity.started
