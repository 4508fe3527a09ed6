import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunFolder } from '../run-folder.ts'

const script = join(dirname(fileURLToPath(import.meta.url)), 'guard-process.ts')

/**
 * Starts a process that clears the run when this one ends without having done so, however it ends:
 * the pipe between them closes then. Its own session keeps the signals of the owner's group away.
 * Answers how to let it go once the run is cleared.
 */
export function guard(run: RunFolder): () => Promise<void> {
  const watching = spawn(process.execPath, ['--import', 'tsx', script, run.path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const ended = new Promise<void>((resolve) => {
    watching.once('exit', () => resolve())
    watching.once('error', () => resolve())
  })
  watching.unref()
  return async () => {
    watching.ref()
    watching.stdin.destroy()
    await ended
  }
}
