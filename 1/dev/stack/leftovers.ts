import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, type ProcessIdentity } from './process-identity.ts'
import { listRunFolders, readRecords, type RunFolder, type RunRecord } from './run-folder.ts'

/**
 * Beginning of the names of folders outside the run folder; nothing else outside is ever removed.
 */
export const outsidePrefix = 'sms-streams-stack-'

const stopWithinMs = 5_000
const pollMs = 50

const isGoneWithin = async (identity: ProcessIdentity, withinMs: number): Promise<boolean> => {
  const deadline = Date.now() + withinMs
  while (isAlive(identity)) {
    if (Date.now() > deadline) return false
    await sleep(pollMs)
  }
  return true
}

/**
 * The identity is checked right before each signal: between two of them the pid may have become
 * another process.
 */
const endProcess = async (identity: ProcessIdentity, stopSignal: NodeJS.Signals): Promise<void> => {
  for (const signal of [stopSignal, 'SIGKILL'] as const) {
    if (!isAlive(identity)) return
    try {
      process.kill(identity.pid, signal)
    } catch (error) {
      if (!isAlive(identity)) return
      throw error
    }
    if (await isGoneWithin(identity, stopWithinMs)) return
  }
  throw new Error(`Process ${identity.pid} of an earlier stack did not end after SIGKILL.`)
}

/**
 * Removes a folder that a server may still be leaving, and one that another start is removing at
 * the same time.
 */
export const removeFolder = (path: string): void => {
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

const removeOutside = (path: string): void => {
  if (dirname(path) === tmpdir() && basename(path).startsWith(outsidePrefix)) removeFolder(path)
}

const clear = async (record: RunRecord): Promise<void> => {
  switch (record.kind) {
    case 'process':
      return endProcess(record, record.stopSignal)
    case 'folder':
      return removeOutside(record.path)
    case 'compose':
      execFileSync('docker', ['compose', '-p', record.project, 'down', '--volumes', '--remove-orphans'], {
        stdio: 'ignore',
      })
  }
}

/** Takes down what a run recorded, servers before folders, then removes its folder. */
export const clearRun = async (run: RunFolder): Promise<void> => {
  const records = readRecords(run)
  // Together: of a cluster, each node may take its whole time to stop.
  await Promise.all(records.filter(({ kind }) => kind !== 'folder').map(clear))
  for (const record of records.filter(({ kind }) => kind === 'folder')) await clear(record)
  removeFolder(run.path)
}

/**
 * Clears the runs whose owner is dead: killed before it could stop its servers. Runs of living
 * owners, also other ones, are not touched, and neither is a process that only has a recorded pid.
 */
export const clearLeftovers = async (root: string, say: (line: string) => void): Promise<void> => {
  for (const run of listRunFolders(root)) {
    if (isAlive(run.owner)) continue
    say(`clearing what a killed stack (process ${run.owner.pid}) left behind`)
    try {
      await clearRun(run)
    } catch (error) {
      // Another user's server, or containers of an engine that is down: it stays recorded and must
      // not keep this stack from starting.
      say(
        `not cleared, the next start tries again: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
}
