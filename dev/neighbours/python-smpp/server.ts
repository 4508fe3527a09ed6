import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ensurePrograms } from '../../stack/install.ts'
import { freePort } from '../../stack/ports.ts'
import { pythonWith } from '../../stack/python-tool.ts'

export interface PythonSmpp {
  readonly port: number
  /**
   * Its lines: `bind STATUS`, `taken TO ...`, `throttled`, `acknowledged STATUS`, `unbound`, and
   * what its library complains of.
   */
  readonly lines: readonly string[]
  close(): Promise<void>
}

const say = (line: string): void => void process.stderr.write(`[python-smpp] ${line}\n`)
const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Installs Python where it may, and both libraries in an environment of their own, once. */
export async function startPythonSmpp(library: 'smpp34' | 'smppy', password: string): Promise<PythonSmpp> {
  await ensurePrograms(['python3', 'venv'], say, new AbortController().signal)
  const python = await pythonWith(pathOf('requirements.txt'))
  const port = await freePort()
  const child = spawn(python, [pathOf(`${library}_smsc.py`), String(port), password], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  await Promise.race([once(output, 'line'), once(child, 'exit')])
  if (lines[0] !== 'listening') throw new Error(`${library} does not start: ${lines.join(' | ')}`)
  return {
    port,
    lines,
    close: async () => {
      if (child.exitCode !== null) return
      child.kill()
      await once(child, 'exit')
    },
  }
}
