/**
 * The stack alone, until a signal: `node --import tsx dev/stack/main.ts [--write-env path]`. Prints
 * each address as KEY=value, then all as one line of JSON; with `--write-env` the KEY=value lines
 * are written to that file too, as soon as every server answers.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Stack } from './stack.ts'
import { withStack } from './with-stack.ts'

const { values } = parseArgs({ options: { 'write-env': { type: 'string' } } })

const untilAborted = async (abort: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    // A stack of given addresses has no child that keeps this process alive.
    const alive = setInterval(() => undefined, 60_000)
    const end = (): void => {
      clearInterval(alive)
      resolve()
    }
    if (abort.aborted) end()
    else abort.addEventListener('abort', end, { once: true })
  })

const announce = (stack: Stack): void => {
  const lines = Object.entries(stack.env).map(([key, value]) => `${key}=${value}`)
  const envFile = values['write-env']
  if (envFile !== undefined) writeFileSync(envFile, `${lines.join('\n')}\n`)
  console.log(lines.join('\n'))
  console.log(JSON.stringify(stack.env))
}

process.exitCode = await withStack(async (stack, abort) => {
  announce(stack)
  await untilAborted(abort)
  return 0
})
