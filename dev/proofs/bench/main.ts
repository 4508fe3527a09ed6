import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withStack } from '../../stack/with-stack.ts'

/**
 * `npm run bench -- NAME [options]`: runs NAME.ts of this folder against a fresh local stack. Every
 * benchmark is a script of its own that reads the stack's addresses from the environment. Most end
 * with one line of JSON.
 */
const folder = dirname(fileURLToPath(import.meta.url))
const names = readdirSync(folder)
  .filter(
    (file) =>
      file.endsWith('.ts') &&
      !/^main\.ts$|^(streams|memory|pipeline|receipts|smpp|submit)-|\.(test|suite|fixture)\.ts$/.test(file),
  )
  .map((file) => file.slice(0, -'.ts'.length))

const [name = '', ...options] = process.argv.slice(2)
if (!names.includes(name)) {
  console.error(`npm run bench -- NAME: one of ${names.join(', ')}`)
  process.exit(2)
}

process.exitCode = await withStack(
  (stack, abort) =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--import', 'tsx', join(folder, `${name}.ts`), ...options], {
        env: { ...process.env, ...stack.env },
        stdio: 'inherit',
      })
      // Its end is waited for: what it has started itself needs the servers for an orderly stop.
      abort.addEventListener('abort', () => child.kill('SIGTERM'), { once: true })
      child.on('error', reject)
      child.on('exit', (code) => resolve(code ?? 1))
    }),
)
