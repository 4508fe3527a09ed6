import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type ChildSpec, startChild } from './child.ts'
import { identify } from './process-identity.ts'

const folder = mkdtempSync(join(tmpdir(), 'sms-streams-child-'))
const never = new AbortController().signal

afterAll(() => rmSync(folder, { recursive: true }))

/** A server that is one line of JavaScript. */
const spec = (name: string, script: string, changes: Partial<ChildSpec> = {}): ChildSpec => ({
  name,
  command: process.execPath,
  args: ['--eval', script],
  cwd: folder,
  logFile: join(folder, `${name}.log`),
  stopSignal: 'SIGTERM',
  stopWithinMs: 300,
  readyWithinMs: 300,
  isReady: async () => Promise.resolve(true),
  ...changes,
})

const unready = { isReady: async () => Promise.resolve(false) }
const stays = 'setInterval(() => undefined, 1000)'

describe('a child', () => {
  it('that ends while it starts is reported with its exit code and its last lines', async () => {
    const script = 'console.error("the port is taken"); process.exitCode = 3'
    const start = startChild(
      spec('ends', script, { ...unready, readyWithinMs: 20_000 }),
      () => undefined,
      never,
    )
    await expect(start).rejects.toThrow(/ends ended with exit code 3[\s\S]*the port is taken/)
  })

  it('that does not answer in time is taken down and reported', async () => {
    let pid = 0
    const start = startChild(spec('silent', stays, unready), (recorded) => (pid = recorded), never)
    await expect(start).rejects.toThrow(/silent did not answer within 0.3 s/)
    expect(identify(pid)).toBeUndefined()
  })

  it('that cannot be run is reported by its name', async () => {
    const start = startChild(spec('absent', '', { command: join(folder, 'absent') }), () => undefined, never)
    await expect(start).rejects.toThrow(/absent: cannot run/)
  })

  it('is recorded before anybody asks whether it is ready', async () => {
    const events: string[] = []
    const isReady = async (): Promise<boolean> => Promise.resolve(events.push('asked') > 0)
    const child = await startChild(spec('recorded', stays, { isReady }), () => events.push('recorded'), never)
    expect(events).toEqual(['recorded', 'asked'])
    await child.stop()
  })

  it('that ignores its stop signal is killed', async () => {
    let isUp = false
    const script = `process.on('SIGTERM', () => undefined); ${stays}; setTimeout(() => process.exit(9), 60_000)`
    const isReady = async (): Promise<boolean> => {
      // The handler must stand before the signal comes.
      if (!isUp) await new Promise((resolve) => setTimeout(resolve, 500))
      isUp = true
      return isUp
    }
    const child = await startChild(
      spec('stubborn', script, { isReady, readyWithinMs: 5_000 }),
      () => undefined,
      never,
    )
    await child.stop()
    expect(identify(child.pid)).toBeUndefined()
  })
})
