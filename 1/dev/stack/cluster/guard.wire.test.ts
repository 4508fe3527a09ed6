import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identify } from '../process-identity.ts'
import { createRunFolder } from '../run-folder.ts'
import { clearRun } from '../leftovers.ts'
import { guard } from './guard.ts'

const fixture = join(dirname(dirname(fileURLToPath(import.meta.url))), 'testing', 'guarded.fixture.ts')

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sms-streams-guard-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('a guard', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'clears the servers and the folder of an owner that %s has ended',
    async (signal) => {
      const owner = spawn(process.execPath, ['--import', 'tsx', fixture, root], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const server = await new Promise<number>((resolve) =>
        owner.stdout.once('data', (line: Buffer) => resolve(Number(line.toString()))),
      )
      expect(identify(server)).toBeDefined()
      owner.kill(signal)
      await once(owner, 'exit')
      const deadline = Date.now() + 30_000
      while (identify(server) !== undefined || readdirSync(root).length > 0) {
        if (Date.now() > deadline) throw new Error('the guard has not cleared the run')
        await sleep(50)
      }
    },
  )

  it('ends by itself when its run has been cleared', async () => {
    const run = createRunFolder(root)
    const release = guard(run)
    await clearRun(run)
    await release()
    expect(existsSync(run.path)).toBe(false)
  })
})
