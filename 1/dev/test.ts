/**
 * `npm test [-- vitest's arguments]`: brings the local stack up, runs the tests of all projects
 * against it, and takes it down. Ends with vitest's exit code, and with its closing line
 * `N passed, N failed` as the last one: nothing is printed on the way down. `--pure` runs only the
 * pure project, without a stack.
 */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withStack } from './stack/with-stack.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const vitestEntry = join(root, 'node_modules', 'vitest', 'vitest.mjs')

const stopWithinMs = 10_000

const runVitest = async (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  abort?: AbortSignal,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [vitestEntry, 'run', ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: 'inherit',
    })
    const end = (): void => {
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGKILL'), stopWithinMs).unref()
    }
    abort?.addEventListener('abort', end, { once: true })
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })

const args = process.argv.slice(2)
const others = args.filter((argument) => argument !== '--pure')

process.exitCode =
  others.length < args.length
    ? await runVitest(['--project', 'pure', ...others], {})
    : await withStack(async (stack, abort) => runVitest(args, stack.env, abort))
