import { spawn } from 'node:child_process'
import { guard } from '../cluster/guard.ts'
import { createRunFolder, recordProcess } from '../run-folder.ts'

/**
 * An owner of a guarded run for guard.wire.test.ts to kill: starts a server that ignores the end of
 * its owner, says its pid, and stays.
 */
const run = createRunFolder(process.argv[2] ?? '')
guard(run)
const server = spawn(process.execPath, ['--eval', 'setInterval(() => undefined, 1000)'], {
  stdio: 'ignore',
  detached: true,
})
recordProcess(run, 'server', server.pid ?? 0, 'SIGTERM')
console.log(server.pid)
setInterval(() => undefined, 1_000)
