/// <reference types="node" />
// The first thing that `npm start`, `npm test`, `npm run demo` and `npm run bench` run: plain Node
// without a dependency, because on a fresh clone nothing is installed yet. It checks Node's
// version, installs what package-lock.json names when that is not what stands in node_modules, then
// runs one TypeScript file and exits as it did.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const nodeMin = [20, 19]

/** @param {string} line */
const say = (line) => process.stderr.write(`[bootstrap] ${line}\n`)

/** @param {string} line */
const fail = (line) => {
  say(line)
  process.exit(1)
}

const nodeIsTooOld = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major < nodeMin[0] || (major === nodeMin[0] && minor < nodeMin[1])
}

/**
 * @typedef {{ version?: string, optional?: boolean, devOptional?: boolean }} LockedPackage
 * @type {(text: string) => { packages: Record<string, LockedPackage> }}
 */
const parseLock = JSON.parse

/**
 * @param {string} file A lock file of npm, relative to the root.
 * @returns {Record<string, LockedPackage> | undefined} Its packages by path, or undefined when
 *   there is no such file.
 */
const packagesOf = (file) => {
  try {
    return parseLock(readFileSync(join(root, file), 'utf8')).packages
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * Whether node_modules holds the versions that package-lock.json names. Contents are compared, not
 * file times: a checkout and `npm install` both leave times that say nothing. Optional packages of
 * other platforms may be absent.
 */
const isInstalled = () => {
  const wanted = packagesOf('package-lock.json')
  const present = packagesOf('node_modules/.package-lock.json')
  if (wanted === undefined || present === undefined) return false
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true
    if (present[path] === undefined) return optional === true || devOptional === true
    return present[path].version === version
  })
}

/**
 * Runs one command on our terminal.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<number>} Its exit code, or 128 + number as in a shell when a signal ended it.
 */
const run = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', shell: false })
    // Only the first signal is passed on: the child's orderly stop must not be cut short by its
    // repetition.
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => {
      for (const name of ['SIGINT', 'SIGTERM'])
        process.removeListener(name, forward).on(name, () => undefined)
      child.kill(signal)
    }
    for (const name of ['SIGINT', 'SIGTERM']) process.on(name, forward)
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM']) process.removeListener(name, forward)
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal])
    })
  })

const install = async () => {
  const began = Date.now()
  say('installing the packages of package-lock.json (npm ci); about a minute on a fresh machine ...')
  const code = await run('npm', ['ci', '--no-audit', '--no-fund'])
  if (code !== 0) fail(`npm ci failed with exit code ${code}; its own lines above say why.`)
  say(`packages installed after ${Math.round((Date.now() - began) / 1000)} s`)
}

const [script, ...args] = process.argv.slice(2)
if (script === undefined) fail('Usage: node dev/bootstrap.mjs <script.ts> [arguments]')
if (nodeIsTooOld()) {
  fail(
    `Node ${nodeMin.join('.')} or newer is needed, and this is ${process.versions.node}. Install a newer Node and try again.`,
  )
}
if (!isInstalled()) await install()
process.exitCode = await run(process.execPath, ['--import', 'tsx', script, ...args])
