import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))

let clone = ''

/**
 * What npm does as far as the bootstrap can see: it leaves its own lock file and the packages, and
 * here also a trace.
 */
const npm = `#!/bin/sh
echo "$@" >> npm-calls
test ! -e npm-fails || exit 7
mkdir -p node_modules/tsx
cp package-lock.json node_modules/.package-lock.json
echo '{"type":"module","exports":"./index.js"}' > node_modules/tsx/package.json
echo '' > node_modules/tsx/index.js
`

const lock = (version: string): string =>
  JSON.stringify({
    packages: {
      '': {},
      'node_modules/tsx': { version },
      'node_modules/darwin-only': { version, optional: true },
    },
  })

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'sms-streams-bootstrap-'))
  for (const folder of ['dev', 'bin']) mkdirSync(join(clone, folder))
  copyFileSync(join(here, 'bootstrap.mjs'), join(clone, 'dev', 'bootstrap.mjs'))
  writeFileSync(join(clone, 'bin', 'npm'), npm, { mode: 0o755 })
  writeFileSync(join(clone, 'package-lock.json'), lock('1.0.0'))
  writeFileSync(join(clone, 'script.mjs'), 'console.log(process.argv.slice(2).join()); process.exitCode = 3')
})

afterEach(() => rmSync(clone, { recursive: true, force: true }))

const env = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: [join(clone, 'bin'), process.env['PATH']].join(delimiter),
})

const bootstrap = (...args: string[]): { code: number | null; out: string; err: string } => {
  const entry = join(clone, 'dev', 'bootstrap.mjs')
  const result = spawnSync(process.execPath, [entry, ...args], { cwd: clone, env: env(), encoding: 'utf8' })
  return { code: result.status, out: result.stdout, err: result.stderr }
}

const npmCalls = (): string[] => readFileSync(join(clone, 'npm-calls'), 'utf8').trim().split('\n')

describe('the bootstrap', () => {
  it('installs on a fresh clone, runs the script with its arguments and exits as it did', () => {
    const { code, out, err } = bootstrap('script.mjs', 'one', '--two')
    expect({ code, out }).toEqual({ code: 3, out: 'one,--two\n' })
    expect(err).toContain('npm ci')
    expect(npmCalls()).toEqual(['ci --no-audit --no-fund'])
  })

  it('installs once, and again when the lock file names other versions', () => {
    bootstrap('script.mjs')
    bootstrap('script.mjs')
    expect(npmCalls()).toHaveLength(1)
    writeFileSync(join(clone, 'package-lock.json'), lock('1.0.1'))
    bootstrap('script.mjs')
    expect(npmCalls()).toHaveLength(2)
  })

  it('does not install again for an optional package of another platform', () => {
    bootstrap('script.mjs')
    writeFileSync(
      join(clone, 'node_modules', '.package-lock.json'),
      JSON.stringify({ packages: { 'node_modules/tsx': { version: '1.0.0' } } }),
    )
    bootstrap('script.mjs')
    expect(npmCalls()).toHaveLength(1)
  })

  it('says so and runs nothing when npm fails', () => {
    writeFileSync(join(clone, 'npm-fails'), '')
    const { code, out, err } = bootstrap('script.mjs')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('npm ci failed with exit code 7')
  })

  it('passes a signal on once, and exits as the script did', async () => {
    const script = `
      let signals = 0
      process.on('SIGTERM', () => { signals += 1; setTimeout(() => process.exit(signals), 500) })
      setInterval(() => undefined, 1000)
      console.log('up')`
    writeFileSync(join(clone, 'waits.mjs'), script)
    const child = spawn(process.execPath, [join(clone, 'dev', 'bootstrap.mjs'), 'waits.mjs'], {
      cwd: clone,
      env: env(),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 100))
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([1, null])
  })
})
